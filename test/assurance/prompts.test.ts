// Which prompt asks for what, of a sign-in under way and of a session, whatever became of the account meanwhile.
import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { expect, it } from 'vitest';
import type { Missing } from '../../src/assurance/assurance.ts';
import { newId } from '../../src/lib/ids.ts';
import { continueSignIn, signInPrompts } from '../../src/oidc/sign-in/prompts.ts';

const required = {
  strength: 'mfa',
  rememberedDeviceServes: false,
  mailCodeServes: false,
  reasons: ['admin'],
} as const;
const underWay = { accountId: newId('acc'), proofs: [], isAnew: true, remember: false };
const somebodyElse = { accountId: newId('acc'), past: () => false };
const missing: Record<string, Missing | undefined> = {
  nothing: undefined,
  login: { prompt: 'login', required },
  second_factor: { prompt: 'second_factor', required, methods: ['totp'] },
  enrol_factor: { prompt: 'enrol_factor', required, kinds: ['totp'] },
  change_password: { prompt: 'change_password' },
};

async function asked(
  what: string,
  given: { underWay?: typeof underWay; session?: object },
): Promise<string[]> {
  const standings = { of: async () => ({ underWay: given.underWay, missing: missing[what] }) };
  const oidc = {
    params: {},
    claims: {},
    entities: {},
    prompts: new Set(),
    promptPending: () => false,
    client: {},
  };
  // As much of the engine's context as the checks look at.
  const ctx = { oidc: { ...oidc, session: given.session ?? {} } } as unknown as KoaContextWithOIDC;
  const login = interactionPolicy.base().get('login');
  if (login === undefined) throw new Error('the engine has no login prompt');
  continueSignIn(login, standings);
  const names = [];
  for (const { name, checks } of [login, ...signInPrompts(standings)]) {
    const results = await Promise.all([...checks].map(({ check }) => check(ctx)));
    if (results.includes(true)) names.push(name);
  }
  return names;
}

it.each([
  ['login', 'login'],
  ['second_factor', 'second_factor'],
  ['enrol_factor', 'enrol_factor'],
  ['change_password', 'change_password'],
])(
  'what is missing of a sign-in under way (%s) is asked by one prompt, the first one stays quiet',
  async (what, prompt) => {
    expect(await asked(what, { underWay })).toEqual([prompt]);
    expect(await asked(what, { underWay, session: somebodyElse })).toEqual([prompt]);
    expect(await asked(what, { session: somebodyElse })).toEqual([prompt]);
  },
);

it('a sign-in under way of which nothing is missing any more does not become the session of somebody else', async () => {
  expect(await asked('nothing', { underWay, session: somebodyElse })).toEqual(['login']);
});

it('a session of which nothing is missing is asked nothing, and nobody is asked who they are', async () => {
  expect(await asked('nothing', { session: somebodyElse })).toEqual([]);
  expect(await asked('nothing', {})).toEqual(['login']);
});
