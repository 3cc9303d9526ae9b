// Emptying a queue of 10 KB messages over TLS at 50 ms round trip time and 5 connections, the most a strict receiver
// allows: Haraka as it is, Haraka with all Sluice plugins, Postfix with its connection cache.

import { main } from './parts/drain'

main({ bench: 'lane', messages: Number(process.env['MESSAGES'] ?? 300), roundTripMs: 50, limit: 5, size: 10_240 })
