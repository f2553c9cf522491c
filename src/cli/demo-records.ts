/** Records as a batch system's accounting makes them: lines of "key: value", an end line. */

/** An ordinary record, different for every `n`. */
export function jobRecord(n: number, extra: Readonly<Record<string, string>> = {}): Buffer {
  const start = 1_790_000_000 + n * 60
  const fields = {
    Site: 'EXAMPLE-SITE',
    SubmitHost: 'ce01.example.org:8443/htcondor',
    LocalJobId: String(104_200 + n),
    LocalUserId: `grid${String(n % 100).padStart(3, '0')}`,
    WallDuration: String(3600 + ((n * 37) % 7200)),
    CpuDuration: '3412',
    Processors: '1',
    NodeCount: '1',
    StartTime: String(start),
    EndTime: String(start + 3600),
    MemoryReal: '1048576',
    ServiceLevelType: 'HEPscore23',
    ServiceLevel: '10.4',
    ...extra,
  }
  const lines = Object.entries(fields).map(([key, value]) => `${key}: ${value}\n`)
  return Buffer.from(`APEL-individual-job-message: v0.3\n${lines.join('')}%%\n`)
}
