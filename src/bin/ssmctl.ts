#!/usr/bin/env node
import './process-one.js'
import { runCtl } from '../cli/ssmctl.js'
process.once('beforeExit', () => (process.exitCode ??= 13)) // as Node's own for a program that waits for nothing
void runCtl(process).then((code) => (process.exitCode = code))
