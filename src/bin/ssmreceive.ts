#!/usr/bin/env node
import './process-one.js'
import { ssmreceive } from '../cli/ssmreceive.js'
process.once('beforeExit', () => (process.exitCode ??= 13)) // as Node's own for a program that waits for nothing
void ssmreceive(process).then((code) => (process.exitCode = code))
