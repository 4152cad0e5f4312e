// Invitations to an organization or one of its teams: a link in a mail, for one address, once, for a week.
import type { Actor, Audit } from '../audit/audit.ts';
import { normalizeIdentifier, parseEmail } from '../lib/identifiers.ts';
import { type AccountId, type InvitationId, newId, type OrganizationId, parseId } from '../lib/ids.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { Messages } from '../messages/messages.ts';
import type { Organizations } from '../organizations/organizations.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { keyedHash, randomToken } from '../platform/secrets/tokens.ts';
import type { EventType } from '../vocabulary/events.ts';
import type { HandingOut } from '../vocabulary/handing-out.ts';
import * as store from './invitation-store.ts';
import type { Invitation, NewInvitation, OpenInvitation } from './schema.ts';

export interface Invitations {
  /**
   * Ends earlier ones of this address there. `held`: what whoever asks may hand out. Throws organization_not_found,
   * team_not_found, identifier_invalid, invitations_limited and permission_denied.
   */
  create(organizationId: string, input: NewInvitation, by: Actor, held?: HandingOut): Promise<Invitation>;
  list(organizationId: string, page: PageRequest): Promise<Page<Invitation>>;
  /** Throws invitation_not_found, and invitation_ended for one that was accepted. */
  revoke(organizationId: string, id: string, by: Actor): Promise<Invitation>;
  /** With a new link, and a new week. Throws as revoke does, and invitations_limited. */
  resend(organizationId: string, id: string, by: Actor, locale?: string): Promise<Invitation>;
  /** By the token of its link, as long as it can be accepted. */
  open(token: string): Promise<OpenInvitation | undefined>;
  openById(id: InvitationId): Promise<OpenInvitation | undefined>;
  /** In the transaction that proves the address. False: it is gone, or for another address. */
  acceptIn(trx: Db, id: InvitationId, who: { accountId: AccountId; normalized: string }): Promise<boolean>;
  /** By an account whose verified address it was sent to. False: as above. */
  accept(token: string, accountId: AccountId): Promise<boolean>;
  /** By whoever it was sent to. */
  decline(token: string, accountId: AccountId): Promise<boolean>;
  /** Those that can be accepted by the account, as it proved the address they were sent to. */
  pendingOf(accountId: AccountId): Promise<readonly OpenInvitation[]>;
  /** Without the link: whoever proved the address could open it. False: as above. */
  answer(id: string, answer: 'accept' | 'decline', accountId: AccountId): Promise<boolean>;
}

export interface InvitationsDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  clock: Clock;
  changes: Pick<Changes, 'poll'>;
  messages: Pick<Messages, 'send'>;
  organizations: Pick<Organizations, 'admit' | 'refuseInvitation' | 'find'>;
  /** The address that the account proved to be its own, as it is compared. */
  provedAddress: (accountId: AccountId) => Promise<string | undefined>;
  key: Buffer;
  issuer: string;
}

const LIFE_MILLISECONDS = 7 * 86_400_000;
/** Mails in a day, however many organizations somebody makes, or addresses they write to. */
const MOST = { toAddress: 5, ofOrganization: 500 };

export function createInvitations(deps: InvitationsDeps): Invitations {
  const { postgres, clock } = deps;
  const { db } = postgres;
  const hashOf = (token: string) => keyedHash(deps.key, JSON.stringify(['invitation', token.slice(0, 100)]));

  /** A new token, and the mail that brings it; nothing else ever holds it. */
  async function send(trx: Db, invitation: Invitation, token: string, locale: string | null): Promise<void> {
    const { organizationId, email } = invitation;
    const of = { organizationId, normalized: normalizeIdentifier(email) ?? email };
    const retryAfterSeconds = await store.waitAfter(trx, of, MOST, clock.now());
    if (retryAfterSeconds !== undefined) throw failure('invitations_limited', { retryAfterSeconds });
    await deps.messages.send(trx, {
      channel: 'mail',
      template: 'invitation',
      to: invitation.email,
      accountId: null,
      locale,
      values: { link: `${deps.issuer}/sign-up?invitation=${token}`, days: 7 },
      expiresAt: invitation.expiresAt,
    });
  }

  async function tell(
    trx: Db,
    type: EventType,
    one: Invitation,
    by: Actor,
    accountId?: AccountId,
  ): Promise<void> {
    const { organizationId, teamId } = one;
    await deps.audit.record(trx, {
      type,
      actor: by,
      outcome: 'success',
      accountId: accountId ?? null,
      target: { kind: 'invitation', id: one.id },
      // Never the address: the ledger outlives it.
      details: { organizationId, ...(teamId && { teamId }) },
    });
  }

  /** Changes one that is open, or says why there is none. */
  async function changed(
    trx: Db,
    organizationId: string,
    id: string,
    change: Parameters<typeof store.changeOpen>[3],
  ): Promise<Invitation> {
    const [organization, invitation] = [parseId('org', organizationId), parseId('inv', id)];
    if (organization === undefined || invitation === undefined) throw failure('invitation_not_found');
    const done = await store.changeOpen(trx, organization, invitation, change);
    if (done !== undefined) return done;
    const there = await store.findInvitation(trx, organization, invitation);
    throw failure(there === undefined ? 'invitation_not_found' : 'invitation_ended');
  }

  async function acceptIn(trx: Db, id: InvitationId, who: { accountId: AccountId; normalized: string }) {
    const invitation = await store.accept(trx, id, who.normalized, clock.now());
    if (invitation === undefined) return false;
    const by: Actor = { kind: 'account', id: who.accountId };
    await tell(trx, 'invitation.accepted', invitation, by, who.accountId);
    await deps.organizations.admit(trx, invitation, who.accountId, by);
    return true;
  }

  async function acceptFound(found: OpenInvitation | undefined, accountId: AccountId): Promise<boolean> {
    const normalized = await deps.provedAddress(accountId);
    if (normalized === undefined || found === undefined) return false;
    const done = await postgres.transaction((trx) => acceptIn(trx, found.id, { accountId, normalized }));
    // The membership stands: were this look to fail, the next one in a second brings it.
    await deps.changes.poll().catch(() => undefined);
    return done;
  }

  async function declineFound(found: OpenInvitation | undefined, accountId: AccountId): Promise<boolean> {
    const normalized = await deps.provedAddress(accountId);
    if (found === undefined || found.normalized !== normalized) return false;
    return postgres.transaction(async (trx) => {
      const change = { revoked_at: clock.now() };
      const invitation = await store.changeOpen(trx, found.organizationId, found.id, change);
      if (invitation === undefined) return false;
      const by: Actor = { kind: 'account', id: accountId };
      await tell(trx, 'invitation.declined', invitation, by, accountId);
      return true;
    });
  }

  return {
    async create(organizationId, { email, teamId = null, locale = null }, by, held) {
      const address = parseEmail(email);
      if (address === undefined) {
        throw failure('identifier_invalid', { fields: { email: 'This is not a valid mail address.' } });
      }
      return postgres.transaction(async (trx) => {
        await deps.organizations.refuseInvitation(trx, { organizationId, teamId }, held);
        const organization = orNotFound(organizationId);
        const now = clock.now();
        const invitation: Invitation = {
          id: newId('inv'),
          organizationId: organization,
          teamId: teamId === null ? null : (parseId('team', teamId) ?? null),
          email: address.value,
          invitedBy: by.id,
          createdAt: now,
          expiresAt: new Date(now.getTime() + LIFE_MILLISECONDS),
          acceptedAt: null,
          revokedAt: null,
        };
        const token = randomToken();
        await store.revokeEarlier(trx, organization, address.normalized, now);
        const secret = { normalized: address.normalized, linkHash: hashOf(token) };
        await store.insertInvitation(trx, invitation, secret);
        await send(trx, invitation, token, locale);
        await tell(trx, 'invitation.created', invitation, by);
        return invitation;
      });
    },

    async list(organizationId, { limit, cursor }) {
      const before = cursor === null ? undefined : cursorId(cursor);
      if ((await deps.organizations.find(organizationId)) === undefined)
        throw failure('organization_not_found');
      const rows = await store.listInvitations(db, orNotFound(organizationId), before, limit + 1);
      return pageOf(rows, limit, ({ id }) => [id]);
    },

    revoke: (organizationId, id, by) =>
      postgres.transaction(async (trx) => {
        const invitation = await changed(trx, organizationId, id, { revoked_at: clock.now() });
        await tell(trx, 'invitation.revoked', invitation, by);
        return invitation;
      }),

    resend: (organizationId, id, by, locale) =>
      postgres.transaction(async (trx) => {
        const token = randomToken();
        const expiresAt = new Date(clock.now().getTime() + LIFE_MILLISECONDS);
        const change = { link_hash: hashOf(token), expires_at: expiresAt, sent_at: clock.now() };
        const invitation = await changed(trx, organizationId, id, change);
        await send(trx, invitation, token, locale ?? null);
        await tell(trx, 'invitation.resent', invitation, by);
        return invitation;
      }),

    open: (token) => store.findOpen(db, { link_hash: hashOf(token) }, clock.now()),
    openById: (id) => store.findOpen(db, { id }, clock.now()),
    acceptIn,

    accept: async (token, accountId) =>
      acceptFound(await store.findOpen(db, { link_hash: hashOf(token) }, clock.now()), accountId),
    decline: async (token, accountId) =>
      declineFound(await store.findOpen(db, { link_hash: hashOf(token) }, clock.now()), accountId),

    async pendingOf(accountId) {
      const normalized = await deps.provedAddress(accountId);
      return normalized === undefined ? [] : store.listOpen(db, normalized, clock.now());
    },

    async answer(text, answer, accountId) {
      const id = parseId('inv', text);
      const found = id && (await store.findOpen(db, { id }, clock.now()));
      return answer === 'accept' ? acceptFound(found, accountId) : declineFound(found, accountId);
    },
  };
}

/** As addresses are compared; undefined for one that nobody proved. */
export function comparedAddress(account: { email: string | null; emailVerified: boolean } | undefined) {
  return account?.emailVerified === true && account.email !== null
    ? normalizeIdentifier(account.email)
    : undefined;
}

function orNotFound(organizationId: string): OrganizationId {
  const parsed = parseId('org', organizationId);
  if (parsed === undefined) throw failure('organization_not_found');
  return parsed;
}

function cursorId(cursor: string): InvitationId {
  const [id] = decodeCursor(cursor, 1) ?? [];
  const parsed = id === undefined ? undefined : parseId('inv', id);
  if (parsed === undefined) {
    throw failure('request_invalid', { fields: { cursor: 'The cursor is not one of this list.' } });
  }
  return parsed;
}
