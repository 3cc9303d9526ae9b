// Finds the files the lab ships beside its code: the default internet and the test key. The compiled code lies one
// folder below them.

import { readFileSync } from 'node:fs'
import path from 'node:path'

import { readInternet, type Internet } from './schema'

const above = path.dirname(__dirname)
const root = path.basename(above) === 'dist' ? path.dirname(above) : above

export const shippedInternetFile = path.join(root, 'internet.yaml')

/** A dozen providers modelled on real ones. */
export const shippedInternet = (): Internet =>
  readInternet(shippedInternetFile, readFileSync(shippedInternetFile, 'utf8'))

/** A self-signed pair whose private key is public; see tls/README.md. */
export const shippedTls = (): { readonly key: string; readonly cert: string } => ({
  key: readFileSync(path.join(root, 'tls', 'lab.key'), 'utf8'),
  cert: readFileSync(path.join(root, 'tls', 'lab.crt'), 'utf8'),
})
