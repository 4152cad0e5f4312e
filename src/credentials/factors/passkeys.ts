// Passkeys (WebAuthn Level 3): what a browser is asked for to make or to use one, and taking in a new one.
import { randomBytes } from 'node:crypto';
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type VerifiedRegistrationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { COSEALG, decodeAttestationObject, isoBase64URL } from '@simplewebauthn/server/helpers';
import type { Accounts } from '../../accounts/accounts.ts';
import type { Actor } from '../../audit/audit.ts';
import { type AccountId, newId } from '../../lib/ids.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import type { Translate } from '../../platform/i18n.ts';
import { currentOrigin } from '../../platform/origin.ts';
import type { AddedFactor, Passkeys } from '../schema.ts';
import { addFactor, factorName } from './adding.ts';
import type { FactorDeps } from './deps.ts';
import { isFramed, Registration } from './passkeys-answer.ts';
import { CHALLENGE_SECONDS, type Challenges, type ChallengeUse } from './passkeys-challenge.ts';
import { passkeyName } from './passkeys-names.ts';
import { listPasskeys, type PasskeyDetails, userHandleOf } from './passkeys-store.ts';
import { list } from './store.ts';

/** Who asks for passkeys: they are bound to this host name, and answered at this origin only. */
export interface RelyingParty {
  readonly id: string;
  readonly name: string;
  readonly origin: string;
}

export interface PasskeyDeps extends Pick<FactorDeps, 'postgres' | 'audit' | 'clock' | 'oneTimeKey'> {
  accounts: Pick<Accounts, 'find'>;
  challenges: Challenges;
  relyingParty: RelyingParty;
}

const USER_HANDLE_BYTES = 32;
export const ALGORITHMS = [COSEALG.ES256, COSEALG.EdDSA, COSEALG.RS256];
/** We ask for no attestation; these are what is answered then. The others would have certificates looked at. */
const ATTESTATIONS: readonly (string | undefined)[] = ['none', 'packed'];

export function createPasskeys(deps: PasskeyDeps): Passkeys {
  const { postgres, challenges, relyingParty } = deps;
  const { db } = postgres;
  const timeout = CHALLENGE_SECONDS * 1000;

  return {
    async optionsToRegister(accountId, binding) {
      const account = await deps.accounts.find(accountId);
      const userHandle = await userHandleOf(db, accountId, randomBytes(USER_HANDLE_BYTES));
      if (account === undefined || userHandle === undefined) {
        throw failure('account_not_found', { id: accountId });
      }
      const known = await listPasskeys(db, accountId);
      return withChallenge(
        await generateRegistrationOptions({
          rpName: relyingParty.name,
          rpID: relyingParty.id,
          userName: account.email ?? account.username ?? account.id,
          userDisplayName: account.name ?? account.email ?? account.username ?? '',
          userID: new Uint8Array(userHandle),
          timeout,
          attestationType: 'none',
          excludeCredentials: known.map(descriptorOf),
          authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
          supportedAlgorithmIDs: ALGORITHMS,
        }),
        challenges.make({ purpose: 'register', accountId, binding }),
      );
    },

    async register(accountId, { response, name, t }, binding, by) {
      const wanted = name.trim() === '' ? undefined : factorName(name);
      const made = await verifyNew(deps, response, { purpose: 'register', accountId, binding });
      const taken = (await list(db, accountId)).map((factor) => factor.name);
      return postgres.transaction((trx) => addPasskey(deps, trx, { accountId, made, wanted, taken, t }, by));
    },

    async optionsToSignIn(accountId, binding) {
      const usable =
        accountId === null ? [] : (await listPasskeys(db, accountId)).filter((one) => !one.disabledAt);
      return withChallenge(
        await generateAuthenticationOptions({
          rpID: relyingParty.id,
          timeout,
          allowCredentials: usable.map(descriptorOf),
          // Where it stands alone, it has to stand for two factors.
          userVerification: accountId === null ? 'required' : 'preferred',
        }),
        challenges.make({ purpose: 'sign-in', accountId, binding }),
      );
    },
  };
}

interface AddedPasskey {
  accountId: AccountId;
  made: NewPasskey;
  /** What its owner calls it. */
  wanted?: string | undefined;
  taken: readonly string[];
  t: Translate;
}

export function addPasskey(
  deps: PasskeyDeps,
  trx: Db,
  { accountId, made, wanted, taken, t }: AddedPasskey,
  by: Actor,
): Promise<AddedFactor> {
  const { credential, counter, details } = made;
  const { userAgent } = currentOrigin();
  const factor = {
    id: newId('fac'),
    accountId,
    kind: 'passkey',
    name: wanted ?? passkeyName({ ...details, userAgent }, taken, t),
    credentialId: Buffer.from(credential, 'base64url'),
    counter,
    details: { ...details },
  } as const;
  return addFactor(deps, trx, factor, by);
}

/** The library would make one of its own. */
export function withChallenge<T extends { challenge: string }>(options: T, challenge: string): T {
  return { ...options, challenge };
}

function descriptorOf({ credentialId, transports }: { credentialId: Buffer; transports: string[] }) {
  return { id: credentialId.toString('base64url'), transports };
}

export interface NewPasskey {
  /** Its id, base64url. */
  credential: string;
  counter: number;
  details: PasskeyDetails;
}

/** Throws passkey_invalid: whatever is wrong with it, the person can only try again. */
export async function verifyNew(
  deps: PasskeyDeps,
  response: unknown,
  use: ChallengeUse,
): Promise<NewPasskey> {
  const parsed = Registration.safeParse(response);
  if (!parsed.success) throw failure('passkey_invalid');
  const answer = parsed.data;
  const { verified, registrationInfo: info } = await verifiedNew(deps, answer, use).catch(
    (error: unknown) => {
      throw failure('passkey_invalid', {}, error instanceof Error ? error : undefined);
    },
  );
  if (!verified) throw failure('passkey_invalid');
  return {
    credential: info.credential.id,
    counter: info.credential.counter,
    details: {
      publicKey: isoBase64URL.fromBuffer(info.credential.publicKey),
      transports: answer.response.transports ?? [],
      aaguid: info.aaguid,
      synced: info.credentialDeviceType === 'multiDevice',
      backedUp: info.credentialBackedUp,
      userVerified: info.userVerified,
    },
  };
}

async function verifiedNew(
  { challenges, relyingParty }: PasskeyDeps,
  { id, rawId, type, response }: Registration,
  use: ChallengeUse,
): Promise<VerifiedRegistrationResponse> {
  const { clientDataJSON, attestationObject } = response;
  const format = decodeAttestationObject(isoBase64URL.toBuffer(attestationObject)).get('fmt');
  if (isFramed(clientDataJSON) || !ATTESTATIONS.includes(format)) return { verified: false };
  // What stands alone has to stand for two factors.
  const requireUserVerification = use.purpose === 'newcomer';
  return verifyRegistrationResponse({
    response: {
      id,
      rawId,
      type,
      response: { clientDataJSON, attestationObject },
      clientExtensionResults: {},
    },
    expectedChallenge: (challenge) => challenges.spend(challenge, use),
    expectedOrigin: relyingParty.origin,
    expectedRPID: relyingParty.id,
    requireUserVerification,
    supportedAlgorithmIDs: ALGORITHMS,
  });
}

/** The host name of the issuer: WebAuthn knows neither ports nor addresses of numbers as ids. */
export function relyingPartyOf(issuer: string, name: string): RelyingParty {
  const { hostname, origin } = new URL(issuer);
  return { id: hostname, name, origin };
}
