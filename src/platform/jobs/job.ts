// A piece of scheduled work as a value: features list theirs, services.ts collects them.

export interface Job {
  name: string;
  everySeconds: number;
  /** Longest run, ten minutes unless told; then it counts as failed, and another node may try. */
  limitSeconds?: number;
  /**
   * Must do no harm when a second one runs beside it: a node that lost its claim notices late. When the signal aborts
   * (the process stops, the claim is lost, the time is over), it ends after the step under way.
   */
  run(signal?: AbortSignal): Promise<void>;
}
