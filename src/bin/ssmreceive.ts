#!/usr/bin/env node
import { ssmreceive } from '../cli/ssmreceive.js'
process.exitCode = 13 // Node's own for a program that waits for nothing; the end puts its code in this place
void ssmreceive(process).then((code) => (process.exitCode = code))
