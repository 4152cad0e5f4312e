// What is answered without the engine, put together.
import type { Adapter } from 'oidc-provider';
import type { ApiKeys } from '../../api-keys/api-keys.ts';
import type { Apis } from '../../apis/apis.ts';
import type { Audit } from '../../audit/audit.ts';
import type { Clients } from '../../clients/clients.ts';
import type { Changes } from '../../platform/changes.ts';
import type { Postgres } from '../../platform/database/postgres.ts';
import type { KeyLimits } from '../../platform/limits/key-limits.ts';
import type { Limits } from '../../platform/limits/rate-limit.ts';
import type { Metrics } from '../../platform/telemetry/metrics.ts';
import type { SigningKeys } from '../../signing-keys/signing-keys.ts';
import type { Usage } from '../../usage/usage.ts';
import type { Tokens } from '../tokens/inspect.ts';
import type { RevokedTokens } from '../tokens/revoked.ts';
import type { Rights } from '../tokens/rights.ts';
import { createJwtSigner } from '../tokens/signing.ts';
import type { SignedToken } from '../tokens/token-claims.ts';
import { createAnswering, type Direct } from './answering.ts';
import { createClientCredentials } from './client-credentials.ts';
import { createIntrospection } from './introspection.ts';
import { createKeyCallers } from './key-callers.ts';
import { createKeyTokens } from './key-tokens.ts';
import { createMachineTokens } from './machine-tokens.ts';
import { createRevocation } from './revocation.ts';
import { createTokenLimits } from './token-limits.ts';

export type { Direct } from './answering.ts';

export interface DirectDeps {
  issuer: string;
  postgres: Postgres;
  changes: Pick<Changes, 'poll'>;
  audit: Audit;
  metrics: Pick<Metrics, 'count'>;
  apis: Pick<Apis, 'known'>;
  clients: Pick<Clients, 'known' | 'secretMatches'>;
  apiKeys: Pick<ApiKeys, 'authenticate' | 'takePermits' | 'used' | 'known' | 'effective' | 'revoke'>;
  usage: Pick<Usage, 'count'>;
  limits: Limits;
  keyLimits: KeyLimits;
  signingKeys: Pick<SigningKeys, 'snapshot'>;
  rights: Rights;
  tokens: Tokens;
  revoked: RevokedTokens;
  handleOf: (token: SignedToken) => string;
  /** Where the engine keeps opaque tokens of machines. */
  rows: Pick<Adapter, 'upsert'>;
}

export function createDirect(given: DirectDeps): Direct {
  const deps = { ...given, managementAudience: `${given.issuer}/api` };
  const machineTokens = createMachineTokens({ ...deps, sign: createJwtSigner(deps.signingKeys) });
  return createAnswering({
    ...deps,
    limits: createTokenLimits(deps),
    keyCallers: createKeyCallers(deps),
    keyTokens: createKeyTokens({ ...deps, tokens: machineTokens }),
    clientCredentials: createClientCredentials({ ...deps, tokens: machineTokens }),
    introspection: createIntrospection(deps),
    revocation: createRevocation(deps),
  });
}
