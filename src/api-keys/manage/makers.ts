// Who manages keys: which of them exist for them, whose they may make, and how much they may hand out.
import { type Accounts, refuseAdminAccount } from '../../accounts/accounts.ts';
import type { Actor } from '../../audit/schema.ts';
import type { AccountId, ClientId, OrganizationId } from '../../lib/ids.ts';
import type { PermissionSet } from '../../lib/permission.ts';
import type { Caller } from '../../platform/api/route.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import { type KeyOwner, type KeyScope, type KnownKey, type NewApiKey, ownerOf } from '../schema.ts';
import type { KeyRights } from '../use/rights.ts';
import type { Handing } from './bounds.ts';

export interface Authority {
  readonly by: Actor;
  /** What lies outside does not exist for them. */
  readonly within: KeyScope;
  /** undefined: an operator at the machine itself, who may do everything. */
  readonly caller?: Caller | undefined;
}

export const asOperator = (by: Actor): Authority => ({ by, within: {} });

/** For the routes of administrators: a caller that is bound to an organization sees the keys of that one only. */
export function managing(caller: Caller): Authority {
  const { organizationId } = caller;
  return { by: actorOf(caller), caller, within: organizationId === null ? {} : { organizationId } };
}

/** For the routes about one's own: those of the person, of the machine, or below the key that is presented. */
export function owning(caller: Caller): Authority {
  const { organizationId, apiKeyId, accountId, clientId } = caller;
  const bound = organizationId === null ? {} : { organizationId };
  const by = actorOf(caller);
  if (apiKeyId !== null) return { by, caller, within: { ...bound, ancestorId: apiKeyId } };
  return { by, caller, within: { ...bound, ...(accountId === null ? { clientId } : { accountId }) } };
}

const actorOf = ({ kind, id }: Caller): Actor => ({ kind, id });

export interface Makers {
  /** Throws for an owner who does not exist for them, or whom they may not make keys for. */
  ownerFor(input: Pick<NewApiKey, 'owner' | 'organizationId'>, as: Authority): Promise<KeyOwner>;
  /** Throws permission_denied when the key is an administrator's and they may not touch those. */
  guard(trx: Db, key: KeyOwner, as: Authority): Promise<void>;
  /** What they may hand out of what `owner` holds. */
  handing(owner: PermissionSet, as: Authority): Promise<Handing>;
}

export function createMakers(deps: {
  accounts: Pick<Accounts, 'find'>;
  rights: KeyRights;
  find: (id: string) => Promise<KnownKey | undefined>;
}): Makers {
  const { rights } = deps;

  async function heldBy(caller: Caller): Promise<PermissionSet | undefined> {
    if (caller.apiKeyId !== null) {
      const key = await deps.find(caller.apiKeyId);
      return key && (await rights.effective(key))?.permissions;
    }
    // The gateway hands out ids that it looked up.
    return rights.ownerSet({
      ownerKind: caller.accountId === null ? 'client' : 'account',
      accountId: caller.accountId as AccountId | null,
      clientId: caller.accountId === null ? (caller.clientId as ClientId) : null,
      organizationId: caller.organizationId as OrganizationId | null,
    });
  }

  /** A key has what it makes belong to its own owner. */
  async function ownerOfCaller(caller: Caller | undefined): Promise<NonNullable<NewApiKey['owner']>> {
    if (caller === undefined) throw failure('api_key_invalid', { fields: { owner: 'name whose key it is' } });
    const key = caller.apiKeyId === null ? undefined : await deps.find(caller.apiKeyId);
    if (key !== undefined) return ownerOf(key);
    return caller.accountId === null
      ? { kind: 'client', id: caller.clientId }
      : { kind: 'account', id: caller.accountId };
  }

  return {
    async ownerFor(input, { caller, within }) {
      const owner = input.owner ?? (await ownerOfCaller(caller));
      const bound = caller?.organizationId ?? null;
      const organizationId = owner.kind === 'organization' ? owner.id : (input.organizationId ?? bound);
      // One answer for what does not exist and what is not theirs.
      if (bound !== null && organizationId !== bound) throw failure('organization_not_found');
      const isOwn = { account: within.accountId, client: within.clientId, organization: undefined };
      const onlyOwn = within.accountId !== undefined || within.clientId !== undefined;
      if (onlyOwn && isOwn[owner.kind] !== owner.id) throw failure(`${owner.kind}_not_found`);
      if (owner.kind === 'client' && bound !== null) throw failure('client_not_found');
      const made: KeyOwner = {
        ownerKind: owner.kind,
        accountId: owner.kind === 'account' ? (owner.id as AccountId) : null,
        clientId: owner.kind === 'client' ? (owner.id as ClientId) : null,
        organizationId: organizationId as OrganizationId | null,
      };
      if ((await rights.ownerSet(made)) !== undefined) return made;
      // The person is there, but not in the organization: said only to those who see people of all organizations.
      const isPerson = owner.kind === 'account' && bound === null && (await deps.accounts.find(owner.id));
      if (isPerson && organizationId !== null) throw failure('member_not_found');
      throw failure(`${owner.kind}_not_found`);
    },

    async guard(trx, { accountId }, { caller }) {
      if (caller === undefined || accountId === null || caller.accountId === accountId) return;
      const account = await deps.accounts.find(accountId, trx);
      if (account !== undefined) refuseAdminAccount(account, caller.permissions);
    },

    async handing(owner, { caller }) {
      if (caller === undefined) return { owner };
      const maker = await heldBy(caller);
      if (maker === undefined) throw failure('permission_denied');
      return { owner, maker, named: caller.permissions };
    },
  };
}
