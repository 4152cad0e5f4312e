// How sure a sign-in an authorization request asks for: of its client, its `acr_values` and its essential `acr` claim.
import type { Ask } from '../../assurance/assurance.ts';
import type { Client } from '../../clients/clients.ts';

export function askIn(params: Readonly<Record<string, unknown>>, client: Client): Ask {
  const { acr_values: acrValues } = params;
  return {
    client,
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
