/** The policy that a new workspace starts with. */

export const STARTER_POLICY = `@id("starter-read")
@tier("auto")
permit (principal, action == Action::"invoke", resource)
when { resource.effect == "read" };

@id("starter-write")
@tier("human-approve")
permit (principal, action == Action::"invoke", resource)
when { resource.effect == "write" };

@id("starter-destructive")
@tier("manual-only")
permit (principal, action == Action::"invoke", resource)
when { resource.effect == "destructive" };
`;
