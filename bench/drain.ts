// Emptying a queue of 10 KB messages over TLS without added latency, 50 connections: Haraka as it is, Haraka with all
// Sluice plugins, Postfix with its connection cache.

import { main } from './parts/drain'

main({ bench: 'drain', messages: Number(process.env['MESSAGES'] ?? 2000), roundTripMs: 0, limit: 50, size: 10_240 })
