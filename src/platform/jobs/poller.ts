// Looks for work that waits in a table: when it is woken, and each second in case nobody was heard. One look at a time.

export interface Poller {
  /** Something was, or is about to be, written: looks soon rather than at the next poll. */
  wake(): void;
  start(): void;
  /** Begins no look any more, and waits for the one that runs. */
  stop(): Promise<void>;
}

const POLL_MILLISECONDS = 1000;

/** `wakeMilliseconds`: for many wakes of one moment to be one look. `look` never rejects. */
export function createPoller(deps: { wakeMilliseconds: number; look: () => Promise<void> }): Poller {
  let poll: NodeJS.Timeout | undefined;
  let waking: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;

  function lookNow(): void {
    if (poll === undefined) return;
    if (looking !== undefined) {
      wake();
      return;
    }
    looking = deps.look().finally(() => {
      looking = undefined;
    });
  }

  function wake(): void {
    if (poll === undefined) return;
    waking ??= setTimeout(() => {
      waking = undefined;
      lookNow();
    }, deps.wakeMilliseconds);
  }

  return {
    wake,
    start() {
      poll ??= setInterval(lookNow, POLL_MILLISECONDS);
      lookNow();
    },
    async stop() {
      clearInterval(poll);
      clearTimeout(waking);
      poll = undefined;
      waking = undefined;
      await looking;
    },
  };
}
