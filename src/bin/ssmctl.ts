#!/usr/bin/env node
import { runCtl } from '../cli/ssmctl.js'
process.exitCode = await runCtl(process)
