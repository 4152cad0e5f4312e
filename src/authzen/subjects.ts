// Whom an evaluation speaks of: the types and names that its subjects have, and the organization in which they act.
import type { Access, Facts, Subject } from '../access/access.ts';
import type { Accounts } from '../accounts/accounts.ts';
import { normalizeIdentifier } from '../lib/identifiers.ts';
import { parseId } from '../lib/ids.ts';
import type { Organization, Organizations } from '../organizations/organizations.ts';
import type { Clock } from '../platform/clock.ts';
import { createKnown } from '../platform/known/known.ts';

export interface NamedSubject {
  readonly type: string;
  readonly id: string;
  readonly properties?: Readonly<Record<string, unknown>> | undefined;
}

export interface Where {
  readonly properties?: Readonly<Record<string, unknown>> | undefined;
  readonly context?: Readonly<Record<string, unknown>> | undefined;
}

/** For a caller that is bound to an organization this one; null: it is bound to none. */
export type Bound = string | null;

export interface Subjects {
  /** Null: in no organization. Undefined: there is none that the caller may ask about by this name, or two were named. */
  organizationOf(where: Where, bound: Bound): Promise<string | null | undefined>;
  /** What the subject may do there; undefined when it is not known there. */
  factsOf(named: NamedSubject, organizationId: string | null, bound: Bound): Promise<Facts | undefined>;
}

export interface SubjectsDeps {
  access: Pick<Access, 'effectiveOf'>;
  accounts: Pick<Accounts, 'findByIdentifier'>;
  organizations: Pick<Organizations, 'known' | 'findBySlug'>;
  clock: Clock;
  /** Whether a client or key has to do with the organization at all: no bound caller learns of others. */
  belongs: (subject: Subject, organizationId: string) => Promise<boolean>;
}

const kinds: Readonly<Record<string, Subject['kind']>> = {
  user: 'account',
  account: 'account',
  client: 'client',
  'api-key': 'api-key',
};

function activeId(organization: Organization | undefined): string | undefined {
  return organization?.status === 'active' ? organization.id : undefined;
}

/** The kind of subject that the word stands for. */
export function subjectKind(type: string): Subject['kind'] | undefined {
  return Object.hasOwn(kinds, type) ? kinds[type] : undefined;
}

export function createSubjects(deps: SubjectsDeps): Subjects {
  const { access, organizations } = deps;
  // Whose name it was when it was last looked up. Nobody is taken for somebody by it: facts must still say the name.
  const remembered = { clock: deps.clock, silence: () => Number.POSITIVE_INFINITY };
  const accountIds = createKnown<string>({
    ...remembered,
    load: async (name) => (await deps.accounts.findByIdentifier(name))?.id,
  });
  const organizationIds = createKnown<string>({
    ...remembered,
    load: async (slug) => (await organizations.findBySlug(slug))?.id,
  });

  /** By a mail address only once it is verified: facts name no other. */
  async function ofName(typed: string, organizationId: string | null): Promise<Facts | undefined> {
    const name = normalizeIdentifier(typed);
    if (name === undefined) return undefined;
    for (let look = 0; look < 2; look += 1) {
      const found = await ofAccount(await accountIds.get(name), organizationId);
      if (found?.identifiers.some((one) => normalizeIdentifier(one) === name)) return found;
      // Somebody else may have the name by now, or nobody.
      accountIds.expire([name]);
    }
    return undefined;
  }

  async function ofAccount(id: string | undefined, organizationId: string | null) {
    return id === undefined ? undefined : access.effectiveOf({ kind: 'account', id }, organizationId);
  }

  return {
    async organizationOf({ properties, context }, bound) {
      const names = [properties?.organization, context?.organization].filter((name) => name !== undefined);
      const ids = new Set<string | undefined>();
      for (const name of names) ids.add(await organizationId(name));
      if (ids.size === 0) return bound;
      const [id] = ids;
      return ids.size > 1 || id === undefined || (bound !== null && id !== bound) ? undefined : id;
    },

    async factsOf({ type, id }, organizationId, bound) {
      const kind = subjectKind(type);
      if (kind === undefined) return undefined;
      if (kind === 'account') {
        return parseId('acc', id) === undefined ? ofName(id, organizationId) : ofAccount(id, organizationId);
      }
      if (kind === 'api-key' && parseId('key', id) === undefined) return undefined;
      if (bound !== null && !(await deps.belongs({ kind, id }, bound))) return undefined;
      return access.effectiveOf({ kind, id }, organizationId);
    },
  };

  /** By id or slug; a suspended one decides nothing. */
  async function organizationId(name: unknown): Promise<string | undefined> {
    if (typeof name !== 'string') return undefined;
    const id = parseId('org', name);
    if (id !== undefined) return activeId(await organizations.known(id));
    for (let look = 0; look < 2; look += 1) {
      const found = await organizationIds.get(name);
      const organization = found === undefined ? undefined : await organizations.known(found);
      if (organization?.slug === name) return activeId(organization);
      organizationIds.expire([name]);
    }
    return undefined;
  }
}
