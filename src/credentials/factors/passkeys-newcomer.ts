// A passkey in place of a password, of somebody who is on the way to an account and has none yet: it stands alone, so it asks
// for a PIN or a fingerprint, and its authenticator finds it again without being told whose it is.
import { generateRegistrationOptions } from '@simplewebauthn/server';
import type { AccountId } from '../../lib/ids.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import type { Translate } from '../../platform/i18n.ts';
import { keyedHash } from '../../platform/secrets/tokens.ts';
import type { AddedFactor, NewcomerPasskeys } from '../schema.ts';
import { ALGORITHMS, addPasskey, type PasskeyDeps, verifyNew, withChallenge } from './passkeys.ts';
import { CHALLENGE_SECONDS, type ChallengeUse } from './passkeys-challenge.ts';
import { userHandleOf } from './passkeys-store.ts';

export function createNewcomerPasskeys(deps: PasskeyDeps): NewcomerPasskeys {
  const { challenges, relyingParty } = deps;
  /** The same each time, so that a second passkey of one registration takes the place of the first. */
  const handleOf = (binding: string) =>
    keyedHash(deps.oneTimeKey, JSON.stringify(['passkey-newcomer', binding]));

  return {
    async optionsFor({ binding, email, name }) {
      const options = await generateRegistrationOptions({
        rpName: relyingParty.name,
        rpID: relyingParty.id,
        userName: email,
        userDisplayName: name ?? email,
        userID: new Uint8Array(handleOf(binding)),
        timeout: CHALLENGE_SECONDS * 1000,
        attestationType: 'none',
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
        supportedAlgorithmIDs: ALGORITHMS,
      });
      return withChallenge(options, challenges.make(useOf(binding)));
    },

    async take(binding, response) {
      const made = await verifyNew(deps, response, useOf(binding));
      // Said by the authenticator; the library has refused whatever did not say so.
      if (!made.details.userVerified) throw failure('passkey_invalid');
      return {
        add: async (trx: Db, accountId: AccountId, t: Translate): Promise<AddedFactor> => {
          await userHandleOf(trx, accountId, handleOf(binding));
          const by = { kind: 'account', id: accountId } as const;
          return addPasskey(deps, trx, { accountId, made, taken: [], t }, by);
        },
      };
    },
  };
}

function useOf(binding: string): ChallengeUse {
  return { purpose: 'newcomer', accountId: null, binding };
}
