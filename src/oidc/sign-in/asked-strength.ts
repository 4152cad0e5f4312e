// How sure a sign-in an authorization request asks for: of its client, its `acr_values` and its essential `acr` claim.
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { type Ask, toldFor } from '../../assurance/assurance.ts';
import type { Client } from '../../clients/clients.ts';
import { isStrength } from '../../lib/strength.ts';

type Params = Readonly<Record<string, unknown>>;

export function askIn(params: Params, client: Client): Ask {
  return { client, ...wordsAskedIn(params) };
}

/** What the engine writes into codes, and from there into every token: the session's strength in the words of the request. */
export function tellAsAsked(provider: Provider): void {
  Object.defineProperty(provider.OIDCContext.prototype, 'acr', {
    get(this: KoaContextWithOIDC['oidc']) {
      const acr = this.session?.acr;
      return isStrength(acr) ? toldFor(acr, wordsAskedIn(this.params ?? {})) : acr;
    },
  });
}

function wordsAskedIn(params: Params): Pick<Ask, 'acrValues' | 'essentialAcr'> {
  const { acr_values: acrValues } = params;
  return {
    acrValues: typeof acrValues === 'string' ? wordsIn(acrValues) : undefined,
    essentialAcr: essentialIn(params.claims),
  };
}

function wordsIn(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}

/** OpenID Connect Core §5.5.1.1; the engine has looked at its form before (actions/authorization/claims.js). */
function essentialIn(claims: unknown): string[] | undefined {
  if (typeof claims !== 'string') return undefined;
  const acr = partOf(partOf(JSON.parse(claims), 'id_token'), 'acr');
  if (partOf(acr, 'essential') !== true) return undefined;
  const [values, value] = [partOf(acr, 'values'), partOf(acr, 'value')];
  if (values === undefined && value === undefined) return undefined;
  return [values ?? value].flat().filter((one) => typeof one === 'string');
}

function partOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
