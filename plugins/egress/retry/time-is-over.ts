// Why there is no way for a mail that waited, parked, until it was too old. Host ends it as a deferral, which the retry
// turns into its expiry; the very object is what it is known by.

import type { NoRoute } from 'haraka-plugin-sluice-host'

export const timeIsOver: NoRoute = {
  kind: 'unreachable',
  permanent: false,
  enhanced: '4.4.7',
  detail: 'delivery time expired while the message waited for a source that may send it',
}
