// Organizations wired as the server wires them, with accounts to be members and a feed of changes that tests hold up.
import { randomUUID } from 'node:crypto';
import type { AccountId } from '../../src/lib/ids.ts';
import {
  createOrganizations,
  type Organization,
  type Organizations,
  type OrganizationsDeps,
} from '../../src/organizations/organizations.ts';
import { type Changes, createChanges } from '../../src/platform/changes.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createWorld, operator } from '../credentials/world.ts';
import type { TestDatabase } from '../support/database.ts';

export { operator };

export interface Node {
  readonly organizations: Organizations;
  readonly changes: Changes;
  /** Of which members the keys were ended. */
  readonly ended: Parameters<OrganizationsDeps['revokeKeysOf']>[1][];
}

/** One server process of several on the database. */
export function createNode(
  { postgres, db }: TestDatabase,
  more: Partial<Pick<OrganizationsDeps, 'revokeKeysOf' | 'permissionsOfTeam'>> & {
    silence?: () => number;
  } = {},
): Node {
  const { audit, clock } = createWorld(postgres);
  const changes = createChanges({ db, log: silentLog });
  const ended: Node['ended'] = [];
  const organizations = createOrganizations({
    postgres,
    audit,
    clock,
    changes: { ...changes, ...(more.silence && { silence: more.silence }) },
    async revokeKeysOf(trx, of, by) {
      ended.push(of);
      await more.revokeKeysOf?.(trx, of, by);
    },
    permissionsOfTeam: more.permissionsOfTeam ?? (async () => []),
  });
  organizations.start();
  return { organizations, changes, ended };
}

export const tag = () => randomUUID().slice(0, 8);

export function createPeople({ postgres }: Pick<TestDatabase, 'postgres'>) {
  const { accounts } = createWorld(postgres);
  return async (name = 'Ada'): Promise<AccountId> => {
    const username = `u-${tag()}`;
    return (await accounts.create({ username, email: `${username}@example.com`, name }, operator)).id;
  };
}

export function makeOrganization(
  organizations: Organizations,
  more: { slug?: string; name?: string; permissions?: string[] } = {},
): Promise<Organization> {
  return organizations.create({ slug: `o-${tag()}`, name: 'Acme', ...more }, operator);
}
