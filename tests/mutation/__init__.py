"""Mutation testing of the modules that decide about security: `just mutate`.

A mutant is the service with one small fault, such as a dropped condition. The tests must fail on it. A mutant that
passes them all has survived: it shows a fact that no test asserts, or a fault that changes nothing.

Why not an existing tool: most tests here call a service that runs in other processes. mutmut 3 selects the active
mutant by state of the process that runs pytest, and records there which tests reach a mutant; the services that the
tests start have an environment of their own, and it would find that no API test reaches anything. It mutates functions
only, while half of our SQL is built at import. cosmic-ray runs one test command per mutant and does not select tests:
hours per hundred mutants here. Neither knows a condition of a `.where()` call or of a text of SQL.
"""
