#!/usr/bin/env node
import { ssmsend } from '../cli/ssmsend.js'
process.exitCode = 13 // Node's own for a program that waits for nothing; the end puts its code in this place
void ssmsend(process).then((code) => (process.exitCode = code))
