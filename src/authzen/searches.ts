// Searches: who may do it, to what, and what else; complete over what is registered, page by page.
import { type Access, decide, type Facts, type Resources } from '../access/access.ts';
import { parsePermission } from '../lib/permission.ts';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { Seal } from '../platform/secrets/seal.ts';
import { knownActions, subjectWindow } from './candidates.ts';
import type { AsRegistered } from './evaluations.ts';
import { createPageTokens } from './page-token.ts';
import type {
  ActionSearch,
  ActionsFound,
  EntitiesFound,
  PageAsked,
  ResourceSearch,
  SubjectSearch,
} from './schema.ts';
import { type Gathered, gather } from './search.ts';
import { type Bound, type Subjects, subjectKind } from './subjects.ts';

export interface Searches {
  /** Everybody of that type who would be allowed. The searches throw request_invalid for a token of another question. */
  findSubjects(question: SubjectSearch, bound: Bound): Promise<EntitiesFound>;
  /** All registered resources of that type to which the subject would be allowed. */
  findResources(question: ResourceSearch, bound: Bound): Promise<EntitiesFound>;
  /** All actions that APIs, roles or the subject's own permissions name, and that the subject would be allowed. */
  findActions(question: ActionSearch, bound: Bound): Promise<ActionsFound>;
}

export interface SearchesDeps {
  db: Db;
  /** For the tokens of pages. */
  seal: Seal;
  access: Pick<Access, 'effectiveOf'>;
  resources: Pick<Resources, 'ofType'>;
  subjects: Subjects;
  asRegistered: AsRegistered;
}

const DEFAULT_LIMIT = 100;
const MOST_RESULTS = 1_000;
const SUBJECT_WINDOW = 5_000;
const RESOURCE_WINDOW = 1_000;
// The facts of a subject may have to be read; a thing is decided about from what is at hand.
const SUBJECTS_LOOKED_AT = 2_000;
const THINGS_LOOKED_AT = 20_000;

export function createSearches(deps: SearchesDeps): Searches {
  const { db, resources, subjects, asRegistered } = deps;
  const tokens = createPageTokens(deps.seal);

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
          mostLooks: SUBJECTS_LOOKED_AT,
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
          mostLooks: THINGS_LOOKED_AT,
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
          mostLooks: THINGS_LOOKED_AT,
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
