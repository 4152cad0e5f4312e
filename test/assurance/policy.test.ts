// The one policy, row by row: what is required of whom, and what is missing from what was proved.
import { describe, expect, it } from 'vitest';
import { isUnmeetable, missingProof, requirementOf, toldFor } from '../../src/assurance/policy.ts';
import type { AccountFacts, Ask } from '../../src/assurance/schema.ts';
import type { FactorKind } from '../../src/credentials/schema.ts';
import { type Method, type Proof, type Strength, strengths } from '../../src/lib/strength.ts';

const settings = {
  strength: '1fa',
  rememberedDeviceForAdmins: false,
  enrollable: ['totp', 'passkey'],
} as const;

interface Given {
  kinds?: FactorKind[];
  usable?: FactorKind[];
  recoveryCodes?: number;
  verifiedPasskey?: boolean;
  admin?: boolean;
  setByMail?: boolean;
  roles?: Strength[];
  organizations?: Strength[];
}

function facts(given: Given = {}): AccountFacts {
  const { kinds = [], usable = kinds, recoveryCodes = 0, verifiedPasskey = false } = given;
  return {
    admin: given.admin ?? false,
    passwordSetByMail: given.setByMail ?? false,
    roles: given.roles ?? [],
    organizations: given.organizations ?? [],
    life: { sessionIdleSeconds: null, sessionAbsoluteSeconds: null },
    factors: { kinds, usable, recoveryCodesLeft: recoveryCodes, verifiedPasskey },
  };
}

const proofs = (...names: (Method | 'verified')[]): Proof[] =>
  names.map((name) =>
    name === 'verified' ? { method: 'passkey', userVerified: true, at: 0 } : { method: name, at: 0 },
  );

describe('the strength that is required', () => {
  const rows: [
    says: string,
    given: Given,
    ask: Ask,
    server: Strength,
    expected: Strength,
    reasons: string[],
  ][] = [
    ['one factor of whoever has no other', {}, {}, '1fa', '1fa', []],
    ['two steps of whoever has a factor', { kinds: ['totp'] }, {}, '1fa', '2sv', ['factors']],
    [
      'two steps also when guessing has disabled it',
      { kinds: ['totp'], usable: [] },
      {},
      '1fa',
      '2sv',
      ['factors'],
    ],
    ['two factors of administrators', { admin: true }, {}, '1fa', 'mfa', ['admin']],
    ['no less of administrators than the server wants', { admin: true }, {}, 'phr', 'phr', ['server']],
    ['what the server wants of everybody', {}, {}, 'mfa', 'mfa', ['server']],
    ['what the strictest role wants', { roles: ['2sv', 'mfa'] }, {}, '1fa', 'mfa', ['role']],
    [
      'what the strictest organization wants',
      { organizations: ['2sv', 'phr'] },
      {},
      '1fa',
      'phr',
      ['organization'],
    ],
    ['what the client wants', {}, { client: { requiredAcr: 'mfa' } }, '1fa', 'mfa', ['client']],
    ['what the request wants', {}, { acrValues: ['mfa'] }, '1fa', 'mfa', ['request']],
    [
      'the least of several values, as any one will do',
      {},
      { acrValues: ['phr', '2sv'] },
      '1fa',
      '2sv',
      ['request'],
    ],
    ['nothing for a value that nobody knows', {}, { acrValues: ['urn:gold'] }, '1fa', '1fa', []],
    ['the known one of several', {}, { acrValues: ['urn:gold', 'mfa'] }, '1fa', 'mfa', ['request']],
    ['what an essential claim names', {}, { essentialAcr: ['phr'] }, '1fa', 'phr', ['request']],
    ['the most of all', { admin: true, kinds: ['totp'] }, { acrValues: ['1fa'] }, '1fa', 'mfa', ['admin']],
    [
      'all that want the same',
      { admin: true, roles: ['mfa'] },
      { acrValues: ['mfa'] },
      'mfa',
      'mfa',
      ['server', 'admin', 'role', 'request'],
    ],
  ];
  it.each(rows)('is %s', (_says, given, ask, strength, expected, reasons) => {
    const required = requirementOf(facts(given), ask, { ...settings, strength });
    expect(required).toMatchObject({ strength: expected, reasons });
  });

  it('can be met by no essential claim that names only what nobody knows', () => {
    expect(isUnmeetable({ essentialAcr: ['urn:gold'] })).toBe(true);
    expect(isUnmeetable({ essentialAcr: ['urn:gold', '2sv'] })).toBe(false);
    expect(isUnmeetable({ acrValues: ['urn:gold'] })).toBe(false);
  });
});

describe('the strength that is told', () => {
  it.each<[proved: Strength, ask: Ask, told: Strength]>([
    ['phr', {}, 'phr'],
    ['phr', { acrValues: ['mfa'] }, 'mfa'],
    ['mfa', { acrValues: ['1fa', '2sv', 'phr'] }, '2sv'],
    ['mfa', { acrValues: ['phr'] }, 'mfa'],
    ['phr', { essentialAcr: ['2sv'], acrValues: ['mfa'] }, '2sv'],
    ['phr', { essentialAcr: ['urn:gold', 'mfa'] }, 'mfa'],
  ])('of %s asked by %j is %s', (proved, ask, told) => {
    expect(toldFor(proved, ask)).toBe(told);
  });

  it('is never more than was proved', () => {
    for (const proved of strengths)
      for (const asked of strengths)
        expect(
          strengths.indexOf(toldFor(proved, { acrValues: [asked], essentialAcr: [asked] })),
        ).toBeLessThanOrEqual(strengths.indexOf(proved));
  });
});

describe('a remembered browser and a code by mail', () => {
  const rows: [says: string, given: Given, ask: Ask, allowed: boolean, device: boolean, mail: boolean][] = [
    ['serve where two steps are enough', { kinds: ['mail'] }, {}, false, true, true],
    ['serve nowhere else', { kinds: ['mail'] }, { acrValues: ['mfa'] }, false, false, false],
    ['serve no administrator', { kinds: ['mail'], admin: true }, {}, false, false, false],
    [
      'serve an administrator as far as the setting goes',
      { kinds: ['totp'], admin: true },
      {},
      true,
      true,
      false,
    ],
    [
      'serve no administrator where a client wants more',
      { kinds: ['totp'], admin: true },
      { acrValues: ['mfa'] },
      true,
      false,
      false,
    ],
    [
      'but no mail after a password that a mail has set',
      { kinds: ['mail'], setByMail: true },
      {},
      false,
      true,
      false,
    ],
  ];
  it.each(rows)('%s', (_says, given, ask, rememberedDeviceForAdmins, device, mail) => {
    const required = requirementOf(facts(given), ask, { ...settings, rememberedDeviceForAdmins });
    expect(required).toMatchObject({ rememberedDeviceServes: device, mailCodeServes: mail });
  });
});

describe('what is missing', () => {
  type Row = [
    says: string,
    given: Given,
    proved: (Method | 'verified')[],
    acr: Strength,
    expected: object | undefined,
  ];
  const all: Given = { kinds: ['totp', 'passkey', 'sms', 'mail'], recoveryCodes: 3 };
  const second = (...methods: Method[]) => ({ prompt: 'second_factor', methods });
  const enrol = (...kinds: FactorKind[]) => ({ prompt: 'enrol_factor', kinds });
  const login = { prompt: 'login' };
  const rows: Row[] = [
    ['nothing, when one factor is enough', {}, ['password'], '1fa', undefined],
    ['everything, when nothing was proved', {}, [], '1fa', login],
    ['the first factor, when there is only a second', { kinds: ['totp'] }, ['totp'], '1fa', login],
    [
      'any of the factors for two steps',
      all,
      ['password'],
      '2sv',
      second('passkey', 'totp', 'sms-code', 'mail-code', 'recovery-code'),
    ],
    [
      'any but the mail for two factors',
      all,
      ['password'],
      'mfa',
      second('passkey', 'totp', 'sms-code', 'recovery-code'),
    ],
    ['a passkey where phishing is to be resisted', all, ['password'], 'phr', second('passkey')],
    ['nothing after a verified passkey alone', all, ['verified'], 'phr', undefined],
    ['nothing after password and code', all, ['password', 'totp'], 'mfa', undefined],
    [
      'more after password and code by mail',
      all,
      ['password', 'mail-code'],
      'mfa',
      second('passkey', 'totp', 'sms-code', 'recovery-code'),
    ],
    [
      'another than the mail after a code by mail',
      all,
      ['mail-code'],
      '2sv',
      second('passkey', 'totp', 'sms-code', 'recovery-code'),
    ],
    [
      'a whole other sign-in after a code by mail, for two factors',
      { kinds: ['totp'] },
      ['mail-code', 'totp'],
      'mfa',
      login,
    ],
    ['the code before another factor is set up', { kinds: ['totp'] }, ['password'], 'phr', second('totp')],
    ['another factor after the code', { kinds: ['totp'] }, ['password', 'totp'], 'phr', enrol('passkey')],
    ['a factor where there is none', {}, ['password'], 'mfa', enrol('totp', 'passkey')],
    ['no factor set up by whoever reads the mail', {}, ['mail-code'], 'mfa', login],
    [
      'no factor set up beside one that was disabled',
      { kinds: ['totp'], usable: [] },
      ['password'],
      '2sv',
      login,
    ],
    [
      'a recovery code in its place',
      { kinds: ['totp'], usable: [], recoveryCodes: 1 },
      ['password'],
      '2sv',
      second('recovery-code'),
    ],
    [
      'no mail after a password that a mail has set',
      { kinds: ['mail'], setByMail: true },
      ['password'],
      '2sv',
      login,
    ],
    [
      'a recovery code of an administrator who has only the mail',
      { kinds: ['mail'], admin: true, recoveryCodes: 1 },
      ['password'],
      'mfa',
      second('recovery-code'),
    ],
    [
      'a real factor in place of a remembered browser',
      all,
      ['password', 'remembered-device'],
      'mfa',
      second('passkey', 'totp', 'sms-code', 'recovery-code'),
    ],
    [
      'the code in place of a remembered browser before a factor is set up',
      { kinds: ['totp'] },
      ['password', 'remembered-device'],
      'phr',
      second('totp'),
    ],
  ];
  it.each(rows)('is %s', (_says, given, proved, acr, expected) => {
    const required = requirementOf(facts(given), { acrValues: [acr] }, settings);
    const missing = missingProof(facts(given), proofs(...proved), required, settings, new Date(0));
    if (expected === undefined) expect(missing).toBeUndefined();
    else expect(missing).toMatchObject(expected);
  });

  it('is a new sign-in, and no factor to set up, long after the last one', () => {
    const required = requirementOf(facts({}), { acrValues: ['mfa'] }, settings);
    const afterMinutes = (minutes: number) =>
      missingProof(facts({}), proofs('password'), required, settings, new Date(minutes * 60_000));
    expect(afterMinutes(9)).toMatchObject({ prompt: 'enrol_factor' });
    expect(afterMinutes(11)).toMatchObject({ prompt: 'login' });
  });

  it('offers codes by SMS last, where they are enough and can be sent, and to no administrator', () => {
    const withSms = { ...settings, enrollable: ['totp', 'passkey', 'sms'] } as const;
    const offered = (given: Given, wanted: Strength) => {
      const required = requirementOf(facts(given), { acrValues: [wanted] }, withSms);
      const missing = missingProof(facts(given), proofs('password'), required, withSms, new Date(0));
      return missing?.prompt === 'enrol_factor' ? missing.kinds : missing;
    };
    expect(offered({}, 'mfa')).toEqual(['totp', 'passkey', 'sms']);
    expect(offered({}, 'phr')).toEqual(['passkey']);
    expect(offered({ admin: true }, 'mfa')).toEqual(['totp', 'passkey']);
  });

  it('is never nothing below what is required, whatever was proved', () => {
    const ways: (Method | 'verified')[] = [
      'password',
      'verified',
      'passkey',
      'totp',
      'sms-code',
      'mail-code',
      'recovery-code',
      'remembered-device',
    ];
    for (const acr of strengths)
      for (let set = 0; set < 2 ** ways.length; set += 1) {
        const proved = proofs(...ways.filter((_, index) => set & (1 << index)));
        const required = requirementOf(facts(all), { acrValues: [acr] }, settings);
        const missing = missingProof(facts(all), proved, required, settings, new Date(0));
        const hasFirst = proved.some(
          ({ method, userVerified }) => method === 'password' || method === 'mail-code' || userVerified,
        );
        if (missing === undefined)
          expect(hasFirst && (proved.length > 1 || proved[0]?.userVerified)).toBe(true);
      }
  });
});
