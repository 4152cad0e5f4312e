// Access wired as the server wires it, on a test database; two of them share one as two nodes do.

import { type Access, type Acting, asOperator, createAccess } from '../../src/access/access.ts';
import { createResources } from '../../src/access/resources.ts';
import type { Account } from '../../src/accounts/accounts.ts';
import { createAccounts } from '../../src/accounts/accounts.ts';
import { newId } from '../../src/lib/ids.ts';
import { compilePermissions } from '../../src/lib/permission.ts';
import { createOrganizations } from '../../src/organizations/organizations.ts';
import type { Postgres } from '../../src/platform/database/postgres.ts';
import { createNode, createTestClock, operator } from '../clients/support.ts';

export const everything: Acting = asOperator(operator);

/** Somebody who holds just this. */
export const holding = (permissions: readonly string[], more: Partial<Acting> = {}): Acting => ({
  by: { kind: 'account', id: newId('acc') },
  held: compilePermissions(permissions),
  organizationId: null,
  ...more,
});

let made = 0;

export function createAccessNode(postgres: Postgres, key: { permissions?: readonly string[] } = {}) {
  const clock = createTestClock();
  const node = createNode(postgres, clock);
  const { audit, changes, apis, clients } = node;
  const accounts = createAccounts({ postgres, audit, clock, changes, endAccountState: async () => {} });
  const organizations = createOrganizations({
    postgres,
    audit,
    changes,
    clock,
    revokeKeysOf: async () => {},
    permissionsOfTeam: async () => [],
  });
  const resources = createResources({ postgres, audit, changes, clock });
  const access: Access = createAccess({
    postgres,
    audit,
    changes,
    clock,
    accounts,
    apis,
    clients,
    resources,
    permissionsOfKey: async () =>
      key.permissions && { permissions: compilePermissions(key.permissions), organizationId: null },
  });

  return {
    ...node,
    accounts,
    organizations,
    resources,
    access,
    async start() {
      await apis.start();
      clients.start();
      organizations.start();
      resources.start();
      access.start();
      await changes.start();
    },
    async person(more: { admin?: boolean } = {}): Promise<Account> {
      made += 1;
      const names = { email: `person${made}@example.com`, username: `person${made}`, emailVerified: true };
      return accounts.create({ ...names, ...more }, operator);
    },
    async role(
      permissions: string[],
      more: { parents?: string[]; organizationId?: string; name?: string } = {},
    ) {
      made += 1;
      return access.createRole({ name: `role-${made}`, permissions, ...more }, everything);
    },
    async organization() {
      made += 1;
      return organizations.create({ slug: `place-${made}`, name: `Place ${made}` }, operator);
    },
    async give(roleId: string, accountId: string, organizationId: string | null = null) {
      const subject = { kind: 'account', id: accountId } as const;
      return access.assign({ roleId, subject, organizationId }, everything);
    },
    async take(roleId: string, accountId: string, organizationId: string | null = null) {
      const subject = { kind: 'account', id: accountId } as const;
      await access.unassign({ roleId, subject, organizationId }, everything);
    },
  };
}

export type AccessNode = ReturnType<typeof createAccessNode>;
