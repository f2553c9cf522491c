#!/usr/bin/env node
import { runCtl } from '../cli/ssmctl.js'
process.exitCode = 13 // Node's own for a program that waits for nothing; the end puts its code in this place
void runCtl(process).then((code) => (process.exitCode = code))
