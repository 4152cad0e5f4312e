// Revocation (RFC 7009) of everything that is issued here: tokens by whom they were issued to, keys by themselves or the
// client that owns them. What is unknown, or over already, is a success (§2.2).
import type { ApiKeys } from '../../api-keys/api-keys.ts';
import type { Audit } from '../../audit/audit.ts';
import { API_KEY_PATTERN } from '../../lib/api-key-format.ts';
import type { Changes } from '../../platform/changes.ts';
import type { Db, Postgres } from '../../platform/database/postgres.ts';
import { hashToken } from '../../platform/secrets/tokens.ts';
import type { Tokens } from '../tokens/inspect.ts';
import type { IssuedToken } from '../tokens/issued.ts';
import type { RevokedTokens } from '../tokens/revoked.ts';
import { type Asker, isPublic } from './askers.ts';
import type { Refusal } from './reply.ts';

/** Answers what to refuse with, if anything. */
export type Revocation = (token: string, asker: Asker) => Promise<Refusal | undefined>;

export function createRevocation(deps: {
  postgres: Pick<Postgres, 'transaction'>;
  changes: Pick<Changes, 'poll'>;
  audit: Pick<Audit, 'record'>;
  tokens: Pick<Tokens, 'issued'>;
  revoked: Pick<RevokedTokens, 'add'>;
  apiKeys: Pick<ApiKeys, 'authenticate' | 'known' | 'revoke'>;
}): Revocation {
  return async (token, asker) => {
    if (API_KEY_PATTERN.test(token)) return ofKey(token, asker);
    const issued = await deps.tokens.issued(token);
    if ('refused' in issued) return undefined;
    if (issued.clientId !== asker.id) return isPublic(asker) ? undefined : notTheirs;
    await deps.postgres.transaction((trx) => end(trx, token, issued, asker));
    // The change stands: were this look to fail, the next one in a second brings it.
    await deps.changes.poll().catch(() => undefined);
    return undefined;
  };

  /** A grant ends whole, as it always did; what was made without one ends alone. */
  async function end(trx: Db, token: string, issued: IssuedToken, asker: Asker): Promise<void> {
    const { accountId, clientId, grantId, kind, jti, format } = issued;
    const by = { actor: { kind: 'client', id: asker.id }, outcome: 'success', accountId, clientId } as const;
    const target = { kind: `${kind}_token`, id: jti };
    if (format === 'opaque')
      await trx('oidc_tokens')
        .where({ id_hash: hashToken(token) })
        .delete();
    else if (grantId === null) await deps.revoked.add(trx, issued);
    await deps.audit.record(trx, { type: 'token.revoked', ...by, target, reason: 'revocation' });
    if (grantId === null) return;
    for (const table of ['oidc_tokens', 'oidc_transients'])
      await trx(table).where({ grant_id: grantId }).delete();
    if ((await trx('oidc_grants').where({ id: grantId }).delete()) === 0) return;
    const grant = { kind: 'grant', id: grantId };
    await deps.audit.record(trx, { type: 'grant.revoked', ...by, target: grant, reason: 'revocation' });
  }

  async function ofKey(text: string, asker: Asker): Promise<Refusal | undefined> {
    const found = await deps.apiKeys.authenticate(text, { address: null });
    const id = 'key' in found ? found.key.id : found.keyId;
    const key = id && (await deps.apiKeys.known(id));
    if (!key) return undefined;
    if (asker.id !== key.id && asker.id !== key.clientId) return isPublic(asker) ? undefined : notTheirs;
    await deps.apiKeys.revoke(key.id, 'revocation endpoint', {
      by: { kind: 'client', id: asker.id },
      within: {},
    });
    return undefined;
  }
}

const notTheirs: Refusal = {
  status: 400,
  error: 'invalid_request',
  description: 'the token was not issued to this client',
};
