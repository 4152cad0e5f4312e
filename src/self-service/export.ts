// Everything that is kept about an account, as JSON, in the pieces in which it is read: its size does not matter. Secrets
// are in none of it, for the server shows them to nobody.
import type { Access } from '../access/access.ts';
import type { Accounts } from '../accounts/accounts.ts';
import type { ApiKeys } from '../api-keys/api-keys.ts';
import type { Audit, AuditEvent } from '../audit/audit.ts';
import type { Credentials, Devices } from '../credentials/credentials.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Page, PageRequest } from '../lib/page.ts';
import type { Oidc } from '../oidc/oidc.ts';
import type { Organizations } from '../organizations/organizations.ts';
import type { Registration } from '../registration/registration.ts';
import type { Sessions } from '../sessions/sessions.ts';

export interface ExportDeps {
  accounts: Pick<Accounts, 'find' | 'profile'>;
  organizations: Pick<Organizations, 'organizationsOf'>;
  access: Pick<Access, 'listAssignments'>;
  credentials: { factors: Pick<Credentials['factors'], 'list' | 'recoveryCodes'> } & Pick<
    Credentials,
    'hasPassword'
  >;
  devices: Pick<Devices, 'list'>;
  sessions: Pick<Sessions, 'list' | 'listGrants'>;
  oidc: { state: Pick<Oidc['state'], 'listApps'> };
  apiKeys: Pick<ApiKeys, 'list'>;
  registration: { terms: Pick<Registration['terms'], 'acceptedBy'> };
  audit: Pick<Audit, 'stream'>;
}

const STEP = 100;

/** One JSON object with a name for each kind of thing. */
export async function* exportOf(accountId: AccountId, deps: ExportDeps): AsyncGenerator<string> {
  yield `{\n"exportedAt": ${JSON.stringify(new Date())}`;
  for (const [name, value] of Object.entries(single(accountId, deps))) {
    yield `,\n${JSON.stringify(name)}: ${JSON.stringify((await value()) ?? null, null, 1)}`;
  }
  for (const [name, items] of Object.entries(lists(accountId, deps))) {
    yield `,\n${JSON.stringify(name)}: [`;
    let separator = '\n';
    for await (const item of items()) {
      yield `${separator}${JSON.stringify(item)}`;
      separator = ',\n';
    }
    yield '\n]';
  }
  yield '\n}\n';
}

function single(accountId: AccountId, deps: ExportDeps): Record<string, () => Promise<unknown>> {
  const { factors } = deps.credentials;
  return {
    async account() {
      const account = await deps.accounts.find(accountId);
      return account && { ...account, profile: deps.accounts.profile.extrasOf(account, 'owner') };
    },
    hasPassword: () => deps.credentials.hasPassword(accountId),
    factors: () => factors.list(accountId),
    recoveryCodesLeft: () => factors.recoveryCodes.left(accountId),
    rememberedBrowsers: () => deps.devices.list(accountId),
    apps: () => deps.oidc.state.listApps(accountId),
    acceptedTerms: () => deps.registration.terms.acceptedBy(accountId),
  };
}

function lists(accountId: AccountId, deps: ExportDeps): Record<string, () => AsyncIterable<unknown>> {
  const own = { by: { kind: 'account', id: accountId }, within: { accountId } } as const;
  const subject = { kind: 'account', id: accountId } as const;
  return {
    organizations: () => everyPage((page) => deps.organizations.organizationsOf(accountId, {}, page)),
    roles: () => everyPage((page) => deps.access.listAssignments({ subject }, page)),
    sessions: () => everyPage((page) => deps.sessions.list({ accountId }, page)),
    grants: () => everyPage((page) => deps.sessions.listGrants({ accountId }, page)),
    apiKeys: () => everyPage((page) => deps.apiKeys.list({}, page, own)),
    events: () => withoutOthers(deps.audit.stream({ accountId }), accountId),
  };
}

/** Where an administrator or a service sits is nobody's business; that it was one is. */
async function* withoutOthers(
  events: AsyncIterable<AuditEvent>,
  accountId: AccountId,
): AsyncGenerator<AuditEvent> {
  for await (const event of events) {
    const isTheirs = event.actor.kind === 'anonymous' || event.actor.id === accountId;
    yield isTheirs ? event : { ...event, address: null, userAgent: null, requestId: null };
  }
}

async function* everyPage<Item>(
  read: (page: PageRequest) => Promise<Page<Item> | undefined>,
): AsyncGenerator<Item> {
  let cursor: string | null = null;
  do {
    const page: Page<Item> | undefined = await read({ limit: STEP, cursor });
    yield* page?.items ?? [];
    cursor = page?.nextCursor ?? null;
  } while (cursor !== null);
}
