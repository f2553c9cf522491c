#!/usr/bin/env node
import { ssmreceive } from '../cli/ssmreceive.js'
process.exitCode = await ssmreceive(process)
