// The organization of a grant: a field of our own on the engine's model.
import type { Provider } from 'oidc-provider';
import type { OrganizationChoice } from './choice.ts';

/** The engine's grants keep, beside what was allowed, in which organization. */
export function keepOrganization(provider: Provider): void {
  // The list of what is stored is a static getter of the model that the typings do not show.
  const model = provider.Grant as unknown as { readonly IN_PAYLOAD: readonly string[] };
  Object.defineProperty(model, 'IN_PAYLOAD', { value: [...model.IN_PAYLOAD, 'organizationId'] });
}

/** null when somebody chose none; undefined when it was no question. */
export function organizationChosenFor(grant: object): OrganizationChoice | undefined {
  const id: unknown = Reflect.get(grant, 'organizationId');
  return typeof id === 'string' || id === null ? id : undefined;
}

/** The organization in which whatever comes from this grant acts. */
export function organizationOf(grant: object | undefined): OrganizationChoice {
  return (grant && organizationChosenFor(grant)) ?? null;
}

export function chooseFor(grant: object, organizationId: OrganizationChoice | undefined): void {
  if (organizationId !== undefined) Object.assign(grant, { organizationId });
}
