#!/usr/bin/env node
import { ssmsend } from '../cli/ssmsend.js'
process.exitCode = await ssmsend(process)
