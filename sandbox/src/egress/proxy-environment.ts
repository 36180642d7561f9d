/** Removes what would send requests through a proxy: a proxy would undo the pinning of addresses. */

const PROXY_VARIABLES = /^(https?_proxy|all_proxy|ftp_proxy|no_proxy|node_use_env_proxy)$/i;

/** Names of the variables that were removed from `environment`. */
export function removeProxies(environment: Record<string, string | undefined>): string[] {
  const removed = Object.keys(environment).filter((name) => PROXY_VARIABLES.test(name));
  for (const name of removed) delete environment[name];
  return removed;
}
