// Access tokens of machines (RFC 9068 §2), made without the engine: all that is the same in each of them is put together once.
import { randomUUID } from 'node:crypto';
import type { Adapter } from 'oidc-provider';
import type { Api } from '../../apis/apis.ts';
import type { Audit } from '../../audit/audit.ts';
import { randomToken } from '../../platform/secrets/tokens.ts';
import type { Metrics } from '../../platform/telemetry/metrics.ts';
import type { createJwtSigner } from '../tokens/signing.ts';
import type { SignedToken } from '../tokens/token-claims.ts';

export interface Machine {
  /** Of the client, or of the key. */
  readonly id: string;
  /** To whom the ledger counts it. */
  readonly accountId: string | null;
  readonly api: Pick<Api, 'audience' | 'tokenFormat' | 'signingAlgorithm'>;
  readonly scope: string | undefined;
  readonly lifetimeSeconds: number;
  /** At the latest, in milliseconds: a token does not outlive what it was made with. */
  readonly endsAt: number;
  /** Beside those that every token has. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** What of the handle is more than the id. */
  readonly key?: {
    readonly apiKeyId: string;
    readonly apiKeySecretId: string;
    readonly organizationId?: string;
  };
}

export interface Prepared {
  readonly machine: Machine;
  /** JSON, up to what differs from token to token. */
  readonly payload: string;
}

export interface MachineTokens {
  prepare(machine: Machine): Prepared;
  /** The JSON of the answer (RFC 6749 §5.1), once the ledger has it. */
  issue(prepared: Prepared): Promise<string>;
}

/** As many characters as the engine gives an opaque token. */
const OPAQUE_BYTES = 32;

export function createMachineTokens(deps: {
  issuer: string;
  sign: ReturnType<typeof createJwtSigner>;
  handleOf: (token: SignedToken) => string;
  audit: Pick<Audit, 'append'>;
  metrics: Pick<Metrics, 'count'>;
  /** The engine's store of opaque tokens, which writes their events. */
  rows: Pick<Adapter, 'upsert'>;
}): MachineTokens {
  return {
    prepare(machine) {
      const { id, api, scope, key } = machine;
      const handle = deps.handleOf({ jti: '', clientId: id, ...key });
      const { audience: aud } = api;
      const fixed = { sub: id, client_id: id, iss: deps.issuer, aud, scope, handle };
      return { machine, payload: JSON.stringify({ ...machine.claims, ...fixed }).slice(0, -1) };
    },

    async issue({ machine, payload }) {
      const iat = Math.floor(Date.now() / 1000);
      const exp = Math.min(iat + machine.lifetimeSeconds, Math.floor(machine.endsAt / 1000));
      const token =
        machine.api.tokenFormat === 'jwt'
          ? await jwt(machine, payload, iat, exp)
          : await opaque(machine, iat, exp);
      deps.metrics.count('gatehouse_tokens_issued_total', { grant_type: 'client_credentials' });
      const scope = machine.scope === undefined ? '' : `"scope":${JSON.stringify(machine.scope)},`;
      return `{"access_token":"${token}","expires_in":${exp - iat},${scope}"token_type":"Bearer"}`;
    },
  };

  async function jwt(machine: Machine, payload: string, iat: number, exp: number): Promise<string> {
    // It need only be its own; drawn from what Node keeps ready, a tenth of the cost of random bytes (lib/ids.ts).
    const jti = randomUUID();
    const { api, scope = null } = machine;
    // Handed to the ledger first: it collects events while the core signs.
    const written = deps.audit.append({
      type: 'token.issued',
      actor: { kind: 'client', id: machine.id },
      outcome: 'success',
      accountId: machine.accountId,
      clientId: machine.id,
      // Not as its target: an index entry at a random place for every token is what the database would feel most.
      details: {
        tokenId: jti,
        grantType: 'client_credentials',
        audience: api.audience,
        scope,
        grantId: null,
      },
    });
    const [token] = await Promise.all([
      deps.sign(api.signingAlgorithm, `${payload},"jti":"${jti}","iat":${iat},"exp":${exp}}`),
      written,
    ]);
    return token;
  }

  async function opaque(machine: Machine, iat: number, exp: number): Promise<string> {
    const jti = randomToken(OPAQUE_BYTES);
    const { id: clientId, api, scope, claims: extra, key } = machine;
    const payload = {
      iat,
      exp,
      jti,
      kind: 'ClientCredentials',
      clientId,
      aud: api.audience,
      scope,
      extra,
      ...key,
    };
    await deps.rows.upsert(jti, payload, exp - iat);
    return jti;
  }
}
