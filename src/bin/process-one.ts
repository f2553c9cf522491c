// Imported before everything else by the programs, for what they import takes most of their start.
import { endAtSignals } from '../cli/process-one.js'
endAtSignals(process)
