// /api/v1/me/factors: the second factors of whoever asks, set up, renamed and removed over JSON.
import { z } from 'zod';
import type { Clients } from '../clients/clients.ts';
import { type AccountId, parseId } from '../lib/ids.ts';
import { IdParams } from '../platform/api/pages.ts';
import { answer, type Caller, type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import type { Credentials } from './credentials.ts';
import { FactorsView, FactorView, factorView } from './factor-view.ts';
import { refuseMailboxAlone } from './may-set-up.ts';
import { type AddedFactor, FEW_RECOVERY_CODES, type Sent } from './schema.ts';

const name = z.string().max(1000).describe('What its owner calls it.');
const code = z.string().max(1000).describe('As typed: spaces do not matter.');

const Added = FactorView.extend({
  recoveryCodes: z
    .array(z.string())
    .nullable()
    .describe('With the first factor of an account; shown in this answer and nowhere else.'),
});

const SetUp = z.object({
  enrolment: z.string().describe('To be sent back with the first code, within ten minutes.'),
  secret: z.string().describe('For whoever cannot scan.'),
  uri: z.string().describe('otpauth://'),
  qrCode: z.string().describe('The same as an image: a data URI of SVG.'),
});

const SentView = z.object({
  to: z.string().describe('Where to, shortened.'),
  expiresAt: z.iso.datetime(),
});

const RecoveryCodes = z.object({ codes: z.array(z.string()) });
const RecoveryCodesLeft = z.object({
  left: z.int(),
  few: z.boolean().describe('It is time to renew them.'),
});

const adding = [
  'password_sign_in_needed',
  'code_wrong',
  'request_invalid',
  'factor_exists',
  'factor_limit',
] as const;
const sending = ['password_sign_in_needed', 'codes_limited', 'factor_exists', 'channel_unavailable'] as const;

/** Of everybody, and only when the person is there. */
const changing = { permission: 'own-factors:update', limit: 'admin-write', sensitive: true } as const;
const reading = { permission: 'own-factors:read', limit: 'admin-read' } as const;

export interface OwnFactorDeps {
  credentials: Pick<Credentials, 'factors'>;
  clients: Pick<Clients, 'known'>;
}

export function ownFactorRoutes(deps: OwnFactorDeps): Route[] {
  return [...overviewRoutes(deps), ...totpRoutes(deps), ...sentCodeRoutes(deps), ...recoveryCodeRoutes(deps)];
}

/** A machine has no factors. */
function personOf({ accountId }: Caller): AccountId {
  const id = accountId === null ? undefined : parseId('acc', accountId);
  if (id === undefined) throw failure('permission_denied');
  return id;
}

/** A consent must not be a way into the account for good: only apps of the operator change its factors. */
const changerIn =
  ({ clients }: OwnFactorDeps) =>
  async (caller: Caller): Promise<AccountId> => {
    const known = await clients.known(caller.clientId);
    if (known?.client.firstParty !== true) throw failure('permission_denied');
    return personOf(caller);
  };

const adderIn =
  (deps: OwnFactorDeps) =>
  async (caller: Caller): Promise<AccountId> => {
    const id = await changerIn(deps)(caller);
    refuseMailboxAlone(caller.signedIn ?? { amr: [] });
    return id;
  };

const added = ({ recoveryCodes, ...factor }: AddedFactor) =>
  answer(201, {
    ...factorView(factor),
    recoveryCodes: recoveryCodes === null ? null : [...recoveryCodes],
  });

function overviewRoutes(deps: OwnFactorDeps): Route[] {
  const { factors } = deps.credentials;
  const changerOf = changerIn(deps);
  return [
    route({
      ...reading,
      operation: 'listOwnFactors',
      method: 'GET',
      path: '/me/factors',
      summary: 'Your own second factors, without their secrets.',
      reply: { 200: FactorsView },
      async run({ caller }) {
        const id = personOf(caller);
        const [items, recoveryCodesLeft] = [await factors.list(id), await factors.recoveryCodes.left(id)];
        return { items: items.map(factorView), nextCursor: null, recoveryCodesLeft };
      },
    }),
    route({
      ...changing,
      operation: 'renameOwnFactor',
      method: 'PATCH',
      path: '/me/factors/:id',
      summary: 'Give one of your second factors another name.',
      params: IdParams,
      body: z.object({ name }),
      reply: { 200: FactorView },
      errors: ['factor_not_found'],
      run: async ({ params, body, caller }) =>
        factorView(await factors.rename(await changerOf(caller), params.id, body.name, caller)),
    }),
    route({
      ...changing,
      operation: 'removeOwnFactor',
      method: 'DELETE',
      path: '/me/factors/:id',
      summary: 'Remove one of your second factors; with the last one go your recovery codes.',
      params: IdParams,
      reply: { 204: z.void() },
      errors: ['factor_not_found', 'factor_needed', 'passkey_needed'],
      run: async ({ params, caller }) => factors.remove(await changerOf(caller), params.id, caller),
    }),
  ];
}

function totpRoutes(deps: OwnFactorDeps): Route[] {
  const { factors } = deps.credentials;
  const adderOf = adderIn(deps);
  return [
    route({
      ...changing,
      operation: 'beginOwnTotp',
      method: 'POST',
      path: '/me/factors/totp',
      summary: 'Begin to set up an authenticator app; nothing is changed until its first code is verified.',
      reply: { 200: SetUp },
      errors: ['password_sign_in_needed'],
      async run({ caller }) {
        const { svg, ...setUp } = await factors.totp.begin(await adderOf(caller));
        return { ...setUp, qrCode: `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}` };
      },
    }),
    route({
      ...changing,
      operation: 'verifyOwnTotp',
      method: 'POST',
      path: '/me/factors/totp/verify',
      summary: 'Finish setting up an authenticator app with its first code.',
      body: z.object({ enrolment: z.string().max(2000), code, name }),
      reply: { 201: Added },
      errors: [...adding, 'enrolment_expired'],
      run: async ({ body, caller }) => added(await factors.totp.confirm(await adderOf(caller), body, caller)),
    }),
  ];
}

/** A code belongs to the application that asked for it. */
const bindingOf = ({ clientId }: Caller) => `api:${clientId}`;

function sentCodeRoutes(deps: OwnFactorDeps): Route[] {
  const { factors } = deps.credentials;
  const adderOf = adderIn(deps);
  const send = async (caller: Caller, channel: 'sms' | 'mail', to: string | undefined) =>
    sentView(await factors.codes.begin(await adderOf(caller), { channel, to }, bindingOf(caller), null));
  const verify = (channel: 'sms' | 'mail', operation: string) =>
    route({
      ...changing,
      operation,
      method: 'POST',
      path: `/me/factors/${channel}/verify`,
      summary: `Finish adding codes by ${channel} with the code that was sent.`,
      body: z.object({ code, name }),
      reply: { 201: Added },
      errors: [...adding, 'code_expired'],
      run: async ({ body, caller }) => {
        const input = { ...body, channel, binding: bindingOf(caller) };
        return added(await factors.codes.confirm(await adderOf(caller), input, caller));
      },
    });
  return [
    route({
      ...changing,
      operation: 'beginOwnSms',
      method: 'POST',
      path: '/me/factors/sms',
      summary: 'Have a code sent to a phone number that is to receive sign-in codes.',
      body: z.object({ phoneNumber: z.string().max(100).describe('With its country: +43 660 1234567.') }),
      reply: { 202: SentView },
      errors: [...sending, 'phone_number_invalid', 'phone_country_not_allowed'],
      run: ({ body, caller }) => send(caller, 'sms', body.phoneNumber),
    }),
    verify('sms', 'verifyOwnSms'),
    route({
      ...changing,
      operation: 'beginOwnMail',
      method: 'POST',
      path: '/me/factors/mail',
      summary: 'Have a code sent to a mail address that is to receive sign-in codes.',
      body: z.object({ email: z.string().max(500).optional().describe('Your own unless you name one.') }),
      reply: { 202: SentView },
      errors: [...sending, 'identifier_invalid'],
      run: ({ body, caller }) => send(caller, 'mail', body.email),
    }),
    verify('mail', 'verifyOwnMail'),
  ];
}

function sentView(sent: Sent) {
  if (sent.kind === 'limited') {
    throw failure('codes_limited', { retryAfterSeconds: sent.retryAfterSeconds });
  }
  return { to: sent.to, expiresAt: sent.expiresAt.toISOString() };
}

function recoveryCodeRoutes(deps: OwnFactorDeps): Route[] {
  const { factors } = deps.credentials;
  const changerOf = changerIn(deps);
  return [
    route({
      ...reading,
      operation: 'countOwnRecoveryCodes',
      method: 'GET',
      path: '/me/factors/recovery-codes',
      summary: 'How many of your recovery codes are left.',
      reply: { 200: RecoveryCodesLeft },
      async run({ caller }) {
        const left = await factors.recoveryCodes.left(personOf(caller));
        return { left, few: left < FEW_RECOVERY_CODES };
      },
    }),
    route({
      ...changing,
      operation: 'renewOwnRecoveryCodes',
      method: 'POST',
      path: '/me/factors/recovery-codes',
      summary: 'Get ten new recovery codes; those so far work no more.',
      reply: { 201: RecoveryCodes },
      run: async ({ caller }) =>
        answer(201, { codes: await factors.recoveryCodes.renew(await changerOf(caller), caller) }),
    }),
  ];
}
