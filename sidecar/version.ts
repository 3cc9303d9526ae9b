// Version of this package.

import { readAsset } from './asset'

export const { version } = JSON.parse(readAsset('package.json')) as { readonly version: string }
