"""How parts of linkage behave, as tests: subclass a contract and say what is to be tested.

| contract | of what | to be given |
|---|---|---|
| `adapter.AdapterContract` | an adapter (`linkage.ports.Adapter`) | a double of its platform |
| `files.FilesContract` | a store of files (`linkage.ports.FilesPort`) | how it is opened |
| `core.CoreContract` | a core for adapters (`linkage.ports.AdapterCorePort`) | how it starts |
| `store.StoreContract` | a store (`linkage.ports.store.StorePort`) | how it is opened |

They want `pip install 'linkage[pytest]'`. A how-to is docs/how-to/adapter.md.
"""
