-- phase: expand
-- description: actions of one plugin, newest first
-- reversible: yes
-- lock-budget-ms: 500

CREATE INDEX actions_by_plugin ON actions (workspace_id, plugin, id);
