#!/usr/bin/env node
// The sidecar's process; committed as an executable, since what the compiler writes is not one.
'use strict'

require('../dist/main.js')
