import { serveUnwraps } from '../cli/unwrap-server.js'
serveUnwraps()
