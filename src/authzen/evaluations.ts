// Evaluations: may this subject do that to this resource, one question or many at once.
import { decide } from '../access/access.ts';
import { failure } from '../platform/errors.ts';
import { fieldMessages } from '../platform/http/input.ts';
import { answerOf, unknownOrganization, unknownSubject } from './answers.ts';
import { type DecisionAnswer, Evaluation, type Evaluations, type EvaluationsAnswer } from './schema.ts';
import type { Bound, Subjects } from './subjects.ts';

export type Properties = Readonly<Record<string, unknown>>;

export interface Thing {
  readonly type: string;
  readonly id: string;
  readonly properties?: Properties | undefined;
}

/** The thing as it counts there: what is registered goes before what a question says. */
export type AsRegistered = (
  thing: Thing,
  organizationId: string | null,
) => Promise<{ type: string; id: string; properties: Record<string, unknown> }>;

/** How many of the evaluations of one request are decided side by side. */
const TOGETHER = 50;

export function createEvaluations({
  subjects,
  asRegistered,
}: {
  subjects: Subjects;
  asRegistered: AsRegistered;
}) {
  async function evaluate(question: Evaluation, bound: Bound): Promise<DecisionAnswer> {
    const { subject, action, resource, context } = question;
    const organizationId = await subjects.organizationOf({ properties: subject.properties, context }, bound);
    if (organizationId === undefined) return unknownOrganization;
    const facts = await subjects.factsOf(subject, organizationId, bound);
    if (facts === undefined) return unknownSubject;
    return answerOf(decide(facts, action.name, await asRegistered(resource, organizationId)));
  }

  /** §Access Evaluations API: an evaluation takes over what it does not name itself; a mistake in one is its denial. */
  async function evaluateItem(item: unknown, defaults: Evaluations, bound: Bound): Promise<DecisionAnswer> {
    const { subject, action, resource, context } = defaults;
    const whole = isObject(item) ? { subject, action, resource, context, ...item } : item;
    const parsed = Evaluation.safeParse(whole);
    if (parsed.success) return evaluate(parsed.data, bound);
    const fields = Object.entries(fieldMessages('evaluation', parsed.error));
    const message = fields.map(([field, why]) => `${field}: ${why}`).join(' ');
    return { decision: false, context: { error: { status: 400, message } } };
  }

  async function evaluateAll(question: Evaluations, bound: Bound): Promise<EvaluationsAnswer> {
    const { evaluations = [], options } = question;
    if (evaluations.length === 0) {
      const parsed = Evaluation.safeParse(question);
      if (parsed.success) return evaluate(parsed.data, bound);
      throw failure('request_invalid', { fields: fieldMessages('body', parsed.error) });
    }
    const last = LAST[options?.evaluations_semantic ?? 'execute_all'];
    const answers: DecisionAnswer[] = [];
    for (let at = 0; at < evaluations.length; at += TOGETHER) {
      const some = evaluations.slice(at, at + TOGETHER);
      const decided = await Promise.all(some.map((item) => evaluateItem(item, question, bound)));
      const end = decided.findIndex(({ decision }) => decision === last);
      if (end >= 0) return { evaluations: [...answers, ...decided.slice(0, end + 1)] };
      answers.push(...decided);
    }
    return { evaluations: answers };
  }

  return { evaluate, evaluateAll };
}

/** §Evaluations Semantics: the decision after which no other is answered. */
const LAST = { execute_all: undefined, deny_on_first_deny: false, permit_on_first_permit: true } as const;

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
