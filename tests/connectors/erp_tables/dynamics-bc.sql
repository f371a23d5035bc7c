-- the columns of NAV's tables that the preset reads, as SQLite can have them
CREATE TABLE [CRONUS International Ltd_$Item Ledger Entry] (
    [timestamp] binary(8), [Entry No_] int, [Item No_] nvarchar(20), [Variant Code] nvarchar(10),
    [Location Code] nvarchar(10), [Quantity] decimal(38,20));
CREATE TABLE [CRONUS International Ltd_$Reservation Entry] (
    [Item No_] nvarchar(20), [Variant Code] nvarchar(10), [Location Code] nvarchar(10),
    [Quantity (Base)] decimal(38,20), [Source Type] int, [Reservation Status] int);
INSERT INTO [CRONUS International Ltd_$Item Ledger Entry] VALUES
    (x'00000000000007d1', 1, '1000', '', 'BLUE', 12), (x'00000000000007d2', 2, '1000', '', 'BLUE', -1),
    (x'00000000000007d3', 3, '1000', 'RED', 'BLUE', 2), (x'00000000000007d4', 4, '1000', '', '', 7);
-- reserved from stock, reserved for a sales line (its other half), and only tracked
INSERT INTO [CRONUS International Ltd_$Reservation Entry] VALUES
    ('1000', '', 'BLUE', 3, 32, 0), ('1000', '', 'BLUE', -3, 37, 0), ('1000', '', 'BLUE', 5, 32, 3);
