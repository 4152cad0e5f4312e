// What an examination is: it looks at the facts, says how they are, and what to do.
import type { Facts } from './facts.ts';

export type Status = 'ok' | 'warning' | 'failed' | 'not_measured';

export interface Judgement {
  readonly status: Status;
  /** What was seen. */
  readonly finding: string;
  /** What to do; null when there is nothing to do. */
  readonly remedy: string | null;
}

export interface Examination {
  /** Never changes meaning: monitoring knows it. */
  readonly id: string;
  readonly title: string;
  judge(facts: Facts): Judgement;
}

export interface Verdict extends Judgement {
  readonly id: string;
  readonly title: string;
}

export const ok = (finding: string): Judgement => ({ status: 'ok', finding, remedy: null });
export const warning = (finding: string, remedy: string): Judgement => ({
  status: 'warning',
  finding,
  remedy,
});
export const failed = (finding: string, remedy: string): Judgement => ({ status: 'failed', finding, remedy });
export const notMeasured = (finding: string, remedy: string | null = null): Judgement => ({
  status: 'not_measured',
  finding,
  remedy,
});
