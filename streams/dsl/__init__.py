"""The DSL: streams, tables, groups, windows, joins. It writes into the plan and runs nothing."""
