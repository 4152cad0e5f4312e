// The organization of a grant: a field of our own on the engine's model (adapter/models.ts).
import type { OrganizationChoice } from './choice.ts';

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
