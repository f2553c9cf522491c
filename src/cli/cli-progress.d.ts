/** What is used of cli-progress 3.12, which has no types of its own. */
declare module 'cli-progress' {
  interface Options {
    readonly stream: NodeJS.WritableStream
    readonly format: string
    readonly barCompleteChar: string
    readonly barIncompleteChar: string
    readonly barsize: number
    readonly etaBuffer: number
    readonly gracefulExit: boolean
  }
  export class SingleBar {
    constructor(options: Options)
    start(total: number, value: number): void
    update(value: number): void
    stop(): void
  }
}
