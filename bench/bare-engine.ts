// The bare engine: oidc-provider with its own in-memory adapter, the same features, algorithms and lifetimes as Gatehouse.
// Usage: node bench/bare-engine.ts <port> <argon2 memory in KiB, 0 for no hashing>
import { generateKeyPairSync } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import Provider, { type Configuration } from 'oidc-provider';
import { api, apps, machine, password } from './fixture.ts';

const port = Number(process.argv[2]);
const memoryKiB = Number(process.argv[3] ?? 0);
const issuer = `http://127.0.0.1:${port}`;

function signingKey(algorithm: 'ES256' | 'RS256') {
  const { privateKey } =
    algorithm === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), alg: algorithm, use: 'sig', kid: algorithm };
}

const clients = [
  ...[machine.jwt, machine.opaque].map(({ id, secret }) => ({
    client_id: id,
    client_secret: secret,
    grant_types: ['client_credentials'],
    response_types: [] as 'code'[],
    redirect_uris: [],
  })),
  {
    client_id: apps.web.id,
    client_secret: apps.web.secret,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code' as const],
    redirect_uris: [apps.web.redirectUri],
  },
];

const configuration: Configuration = {
  clients,
  jwks: { keys: [signingKey('ES256'), signingKey('RS256')] },
  cookies: { keys: ['bench'] },
  scopes: ['openid', 'offline_access', 'notes:read'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: async () => true },
    revocation: { enabled: true },
    deviceFlow: { enabled: true },
    backchannelLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: async (ctx) => {
        const id = ctx.oidc.client?.clientId;
        return (
          [machine.jwt, machine.opaque].find((client) => client.id === id)?.audience ?? (undefined as never)
        );
      },
      getResourceServerInfo: async (_ctx, audience) => ({
        audience,
        scope: 'notes:read',
        accessTokenTTL: 600,
        accessTokenFormat: audience === api.opaque ? 'opaque' : 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  expiresWithSession: async () => false,
  findAccount: async (_ctx, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
  loadExistingGrant: async (ctx) => {
    if (!ctx.oidc.client || !ctx.oidc.session?.accountId) return undefined;
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope('openid offline_access');
    await grant.save();
    return grant;
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
};

const provider = new Provider(issuer, configuration);
const cost = { memoryCost: Math.max(memoryKiB, 8), timeCost: memoryKiB === 0 ? 1 : 2, parallelism: 1 };
const stored = await hash(password, cost);

provider.use(async (ctx, next) => {
  const login = /^\/interaction\/([^/]+)(\/login)?$/.exec(ctx.path);
  if (!login) return next();
  if (!login[2]) {
    ctx.type = 'html';
    ctx.body = `<form method="post" action="/interaction/${login[1]}/login"><input name="identifier"><input name="password"></form>`;
    return;
  }
  for await (const _chunk of ctx.req);
  if (memoryKiB > 0 && !(await verify(stored, password))) throw new Error('wrong password');
  await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: 'acc_bench' } });
  ctx.respond = false;
});
// Connections wait while the other sides have their turn.
provider.listen(port, '127.0.0.1').keepAliveTimeout = 120_000;
