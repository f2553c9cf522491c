// Loaded into every test process: ends one that is still there after TEST_TIMEOUT seconds and says what kept it. Node 24
// lets only the single test fail and then waits for ever for a process that something keeps alive; 20 and 22 kill it.
const seconds = Number(process.env.TEST_TIMEOUT)
if (process.env.NODE_TEST_CONTEXT !== undefined && seconds > 0) {
  setTimeout(() => {
    const open = process
      .getActiveResourcesInfo()
      .filter((name) => name !== 'Timeout')
      .join(', ')
    console.error(`${process.argv[1]}: still running after ${seconds} s; open: ${open || 'timers'}`)
    process.exit(1)
  }, seconds * 1000).unref()
}
