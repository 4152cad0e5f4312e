// OpenID AuthZEN Authorization API 1.0: decisions and searches, from the same facts that tokens are made of.
import { type Access, decide, type Facts } from '../access/access.ts';
import type { Accounts } from '../accounts/accounts.ts';
import { parsePermission } from '../lib/permission.ts';
import type { Organizations } from '../organizations/organizations.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { fieldMessages } from '../platform/http/input.ts';
import type { Seal } from '../platform/secrets/seal.ts';
import { belongs, knownActions, subjectWindow } from './candidates.ts';
import { createPageTokens } from './page-token.ts';
import {
  type ActionSearch,
  type ActionsFound,
  type DecisionAnswer,
  type EntitiesFound,
  Evaluation,
  type Evaluations,
  type EvaluationsAnswer,
  type PageAsked,
  type ResourceSearch,
  type SubjectSearch,
} from './schema.ts';
import { type Gathered, gather } from './search.ts';
import { type Bound, createSubjects, subjectKind } from './subjects.ts';

/** `bound`: the organization of a caller that is bound to one; it learns of nothing else. */
export interface Authzen {
  evaluate(question: Evaluation, bound: Bound): Promise<DecisionAnswer>;
  /** Throws request_invalid when there are no evaluations, and no whole question in their place. */
  evaluateAll(question: Evaluations, bound: Bound): Promise<EvaluationsAnswer>;
  /** Everybody of that type who would be allowed. The searches throw request_invalid for a token of another question. */
  findSubjects(question: SubjectSearch, bound: Bound): Promise<EntitiesFound>;
  /** All registered resources of that type to which the subject would be allowed. */
  findResources(question: ResourceSearch, bound: Bound): Promise<EntitiesFound>;
  /** All actions that APIs, roles or the subject's own permissions name, and that the subject would be allowed. */
  findActions(question: ActionSearch, bound: Bound): Promise<ActionsFound>;
}

type Properties = Readonly<Record<string, unknown>>;
type Thing = { readonly type: string; readonly id: string; readonly properties?: Properties | undefined };

export interface AuthzenDeps {
  db: Db;
  clock: Clock;
  /** For the tokens of pages. */
  seal: Seal;
  access: Pick<Access, 'effectiveOf'>;
  accounts: Pick<Accounts, 'findByIdentifier'>;
  organizations: Pick<Organizations, 'known' | 'findBySlug'>;
  /** Registered resources: the properties of one, and those of a type. */
  resources: {
    known(name: { organizationId: string | null; type: string; id: string }): Promise<Properties | undefined>;
    ofType(question: {
      organizationId: string | null;
      type: string;
      after: string;
      limit: number;
    }): Promise<{ id: string; properties: Properties }[]>;
  };
}

const DEFAULT_LIMIT = 100;
const MOST_RESULTS = 1_000;
const SUBJECT_WINDOW = 5_000;
const RESOURCE_WINDOW = 500;
/** How many of the evaluations of one request are decided side by side. */
const TOGETHER = 50;

export function createAuthzen(deps: AuthzenDeps): Authzen {
  const { db, resources } = deps;
  const subjects = createSubjects({
    ...deps,
    belongs: (subject, organizationId) => belongs(db, subject, organizationId),
  });
  const tokens = createPageTokens(deps.seal);

  async function evaluate(question: Evaluation, bound: Bound): Promise<DecisionAnswer> {
    const { subject, action, resource, context } = question;
    const organizationId = await subjects.organizationOf({ properties: subject.properties, context }, bound);
    if (organizationId === undefined) return answerOf(unknownOrganization);
    const facts = await subjects.factsOf(subject, organizationId, bound);
    if (facts === undefined) return answerOf(unknownSubject);
    return answerOf(decide(facts, action.name, await asRegistered(resource, organizationId)));
  }

  /** What is registered goes before what a question says. */
  async function asRegistered({ type, id, properties }: Thing, organizationId: string | null) {
    return {
      type,
      id,
      properties: { ...properties, ...(await resources.known({ organizationId, type, id })) },
    };
  }

  /** §Access Evaluations API: a mistake in one evaluation is a denial of that one. */
  async function evaluateItem(item: unknown, defaults: Evaluations, bound: Bound): Promise<DecisionAnswer> {
    const { subject, action, resource, context } = defaults;
    const whole = isObject(item) ? { subject, action, resource, context, ...item } : item;
    const parsed = Evaluation.safeParse(whole);
    if (parsed.success) return evaluate(parsed.data, bound);
    const message = Object.entries(fieldMessages('evaluation', parsed.error))
      .map(([field, why]) => `${field}: ${why}`)
      .join(' ');
    return { decision: false, context: { error: { status: 400, message } } };
  }

  /** Everything but the token must stay the same from page to page; the limit may be left out. */
  function placeOf(page: PageAsked, question: unknown): { after: string; limit: number } {
    const limit = Math.min(page?.limit ?? DEFAULT_LIMIT, MOST_RESULTS);
    // The specification knows no token that is empty.
    if (page?.token === undefined || page.token === '') return { after: '', limit };
    const place = tokens.read(page.token, question);
    if (place === undefined || (page.limit !== undefined && limit !== place.limit)) {
      throw failure('request_invalid', {
        fields: { 'page.token': 'is not one that a search with the same question gave' },
      });
    }
    return place;
  }

  function pageOf<T>({ found, after }: Gathered<T>, limit: number, question: unknown) {
    const next_token = after === null ? '' : tokens.make({ after, limit }, question);
    return { page: { next_token, count: found.length }, results: [...found] };
  }

  const nothing = { page: { next_token: '', count: 0 }, results: [] };

  return {
    evaluate,

    async evaluateAll(question, bound) {
      const { evaluations = [], options } = question;
      if (evaluations.length === 0) {
        const parsed = Evaluation.safeParse(question);
        if (parsed.success) return evaluate(parsed.data, bound);
        throw failure('request_invalid', { fields: fieldMessages('body', parsed.error) });
      }
      const semantic = options?.evaluations_semantic ?? 'execute_all';
      const last = { execute_all: undefined, deny_on_first_deny: false, permit_on_first_permit: true }[
        semantic
      ];
      const answers: DecisionAnswer[] = [];
      for (let at = 0; at < evaluations.length; at += TOGETHER) {
        const some = evaluations.slice(at, at + TOGETHER);
        const decided = await Promise.all(some.map((item) => evaluateItem(item, question, bound)));
        const end = decided.findIndex(({ decision }) => decision === last);
        if (end >= 0) return { evaluations: [...answers, ...decided.slice(0, end + 1)] };
        answers.push(...decided);
      }
      return { evaluations: answers };
    },

    async findSubjects({ page, subject, action, resource, context }, bound) {
      const question = [
        'subject',
        subject.type,
        subject.properties,
        action,
        resource,
        context,
        page?.properties,
        bound,
      ];
      const { after, limit } = placeOf(page, question);
      const kind = subjectKind(subject.type);
      const organizationId = await subjects.organizationOf(
        { properties: subject.properties, context },
        bound,
      );
      if (kind === undefined || organizationId === undefined) return nothing;
      const thing = await asRegistered(resource, organizationId);
      const wanted = { organizationId, onlyThere: bound !== null, type: resource.type, action: action.name };
      const gathered = await gather(
        {
          async next(from) {
            const { ids, last } = await subjectWindow(db, kind, wanted, {
              after: from,
              size: SUBJECT_WINDOW,
            });
            return { candidates: ids, last };
          },
          keyOf: (id) => id,
          async look(id) {
            const facts = await deps.access.effectiveOf({ kind, id }, organizationId);
            if (facts === undefined || !decide(facts, action.name, thing).allowed) return undefined;
            return { type: subject.type, id: subject.type === 'user' ? nameOf(facts, id) : id };
          },
        },
        { after, limit },
      );
      return pageOf(gathered, limit, question);
    },

    async findResources({ page, subject, action, resource, context }, bound) {
      const { type, properties } = resource;
      const question = ['resource', subject, action, type, properties, context, page?.properties, bound];
      const { after, limit } = placeOf(page, question);
      const organizationId = await subjects.organizationOf(
        { properties: subject.properties, context },
        bound,
      );
      const facts =
        organizationId === undefined ? undefined : await subjects.factsOf(subject, organizationId, bound);
      if (organizationId === undefined || facts === undefined) return nothing;
      const gathered = await gather(
        {
          async next(from) {
            const asked = { organizationId, type, after: from, limit: RESOURCE_WINDOW };
            const candidates = await resources.ofType(asked);
            const last = candidates.length < RESOURCE_WINDOW ? null : (candidates.at(-1)?.id ?? null);
            return { candidates, last };
          },
          keyOf: ({ id }) => id,
          async look({ id, properties: registered }) {
            const thing = { type, id, properties: { ...properties, ...registered } };
            return decide(facts, action.name, thing).allowed ? { type, id } : undefined;
          },
        },
        { after, limit },
      );
      return pageOf(gathered, limit, question);
    },

    async findActions({ page, subject, resource, context }, bound) {
      const question = ['action', subject, resource, context, page?.properties, bound];
      const { after, limit } = placeOf(page, question);
      const organizationId = await subjects.organizationOf(
        { properties: subject.properties, context },
        bound,
      );
      const facts =
        organizationId === undefined ? undefined : await subjects.factsOf(subject, organizationId, bound);
      if (organizationId === undefined || facts === undefined) return nothing;
      const thing = await asRegistered(resource, organizationId);
      const named = await knownActions(db, resource.type, organizationId);
      const names = [...new Set([...named, ...actionsOf(facts, resource.type)])].sort();
      const gathered = await gather(
        {
          next: async (from) => ({ candidates: names.filter((name) => name > from), last: null }),
          keyOf: (name) => name,
          look: async (name) => (decide(facts, name, thing).allowed ? { name } : undefined),
        },
        { after, limit },
      );
      return pageOf(gathered, limit, question);
    },
  };
}

interface Judged {
  readonly allowed: boolean;
  readonly reasons: readonly { readonly code: string; readonly text: string }[];
}

const unknownSubject: Judged = {
  allowed: false,
  reasons: [
    {
      code: 'subject_unknown',
      text: 'There is no such subject, or it is suspended or disabled, or it is no member of the organization.',
    },
  ],
};

const unknownOrganization: Judged = {
  allowed: false,
  reasons: [{ code: 'organization_unknown', text: 'There is no such organization, or several were named.' }],
};

const REFUSED = 'You may not do this. Whoever administers your access can change that.';

/** §Decision Context: why, by stable codes; in one form for administrators and in another for whoever was refused. */
function answerOf({ allowed, reasons }: Judged): DecisionAnswer {
  const reason_admin: Record<string, string> = {};
  const reason_user: Record<string, string> = {};
  for (const { code, text } of reasons) {
    reason_admin[code] = reason_admin[code] === undefined ? text : `${reason_admin[code]} ${text}`;
    reason_user[code] = REFUSED;
  }
  return { decision: allowed, context: allowed ? { reason_admin } : { reason_admin, reason_user } };
}

/** A user goes by the name that people type, which an evaluation takes as well; an account by its id. */
function nameOf({ identifiers }: Facts, id: string): string {
  const names = identifiers.filter((name) => name !== id);
  return names.find((name) => !name.includes('@')) ?? names[0] ?? id;
}

/** What the subject itself holds may name actions that neither API nor role does: a key's, a registration's. */
function actionsOf(facts: Facts, type: string): string[] {
  return facts.permissions.texts.flatMap((text) => {
    const permission = parsePermission(text);
    const isAbout = permission && (permission.resource === '*' || permission.resource === type);
    return isAbout && permission.action !== '*' ? [permission.action] : [];
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
