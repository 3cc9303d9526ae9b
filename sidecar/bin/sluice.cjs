#!/usr/bin/env node
// The `sluice` command; committed as an executable, since what the compiler writes is not one.
'use strict'

require('../dist/cli/main.js')
