// The face of the doctor: examines the server from outside and inside, and says what to do.
import type { Config } from '../platform/config/schema.ts';
import { type Answer, answerChecklist } from './checklist.ts';
import type { Examination, Status, Verdict } from './examination.ts';
import type { Facts } from './facts.ts';
import { gatherFacts } from './gather.ts';
import { messageExaminations } from './messages.ts';
import { openParts } from './open.ts';
import { protectionExaminations } from './protections.ts';
import { reachExaminations } from './reach.ts';
import { settingExaminations } from './settings.ts';
import { storeExaminations } from './stores.ts';

export interface Report {
  /** The worst of all verdicts; what was not measured counts for nothing. */
  readonly status: Exclude<Status, 'not_measured'>;
  readonly verdicts: readonly Verdict[];
  readonly checklist: readonly Answer[];
}

export interface Doctor {
  examine(): Promise<Report>;
}

export const examinations: readonly Examination[] = [
  ...reachExaminations,
  ...storeExaminations,
  ...messageExaminations,
  ...settingExaminations,
  ...protectionExaminations,
];

export function createDoctor(deps: { config: Config }): Doctor {
  return {
    async examine() {
      const { parts, close } = await openParts(deps.config);
      try {
        return reportOn(await gatherFacts(deps.config, parts));
      } finally {
        await close();
      }
    },
  };
}

export function reportOn(facts: Facts): Report {
  const verdicts = examinations.map(({ id, title, judge }) => ({ id, title, ...judge(facts) }));
  const has = (status: Status) => verdicts.some((verdict) => verdict.status === status);
  return {
    status: has('failed') ? 'failed' : has('warning') ? 'warning' : 'ok',
    verdicts,
    checklist: answerChecklist(verdicts),
  };
}
