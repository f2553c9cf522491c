#!/usr/bin/env node
import './process-one.js'
import { ssmsend } from '../cli/ssmsend.js'
process.once('beforeExit', () => (process.exitCode ??= 13)) // as Node's own for a program that waits for nothing
void ssmsend(process).then((code) => (process.exitCode = code))
